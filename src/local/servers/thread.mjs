// The thread of `startServersBeside`. It reports where the servers listen, or why they do not, answers the
// requests at its port, and closes the servers when it is told to.
// It is JavaScript, as a thread begins without a loader for TypeScript. tsx is there only where these sources
// are not built.
import { parentPort, workerData } from 'node:worker_threads';

const { options, port, isSource } = workerData;
if (isSource) (await import('tsx/esm/api')).register();
const { startServers } = await import(isSource ? './servers.ts' : './servers.js');
const { answerAt } = await import(isSource ? './direct.ts' : './direct.js');
try {
  const { endpoints, ask, close } = await startServers(options);
  answerAt(port, ask);
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
