import type { Server } from 'node:http';
import { createServer, type Http2Server } from 'node:http2';
import type { Socket } from 'node:net';

/** How every client begins that knows a server to speak HTTP/2 without TLS. RFC 9113, 3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0');

/**
 * Has a server answer HTTP/2 as well, by what it answers HTTP/1.1 with: the SDK for JavaScript asks Kinesis by nothing else unless
 * it is told to.
 */
export function speakHttp2(server: Server): void {
  const serveHttp1 = server.listeners('connection') as ((socket: Socket) => void)[];
  const http2: Http2Server = createServer();
  http2.on('request', (request, response) => server.emit('request', request, response));
  http2.on('sessionError', () => {});
  server.on('close', () => http2.close());
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    socket.once('readable', () => {
      const beginning: Buffer | null = socket.read();
      if (beginning === null) return;
      socket.unshift(beginning);
      if (beginning.subarray(0, PREFACE.length).equals(PREFACE)) http2.emit('connection', socket);
      else for (const serve of serveHttp1) serve.call(server, socket);
    });
  });
}
