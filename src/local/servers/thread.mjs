// The thread of `startServersBeside`: says where the servers listen, or why they do not, answers what it is asked at its port,
// and closes the servers when it is told to.
// No TypeScript, as a thread begins without what loads it.
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { startServers } = await import('./servers.ts');
const { answerAt } = await import('./direct.ts');
const { options, port } = workerData;
try {
  const { endpoints, askDynamodb, close } = await startServers(options);
  answerAt(port, askDynamodb);
  parentPort.once('message', async () => {
    await close();
    port.close();
    parentPort.close();
  });
  parentPort.postMessage({ endpoints });
} catch (error) {
  port.close();
  parentPort.postMessage({ error });
}
