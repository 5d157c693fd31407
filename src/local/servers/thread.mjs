// The thread of `startServersBeside`: says where the servers listen, or why they do not, and closes them when it is told to.
// No TypeScript, as a thread begins without what loads it.
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { startServers } = await import('./servers.ts');
try {
  const { endpoints, close } = await startServers(workerData);
  parentPort.once('message', () => close().then(() => parentPort.close()));
  parentPort.postMessage({ endpoints });
} catch (error) {
  parentPort.postMessage({ error });
}
