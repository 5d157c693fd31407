// The thread of `startServersBeside`: says where the servers listen, or why they do not, answers what it is asked at its port,
// and closes the servers when it is told to.
// No TypeScript, as a thread begins without what loads it: that is there only where these sources are not built.
import { parentPort, workerData } from 'node:worker_threads';

const { options, port, isSource } = workerData;
if (isSource) (await import('tsx/esm/api')).register();
const { startServers } = await import(isSource ? './servers.ts' : './servers.js');
const { answerAt } = await import(isSource ? './direct.ts' : './direct.js');
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
