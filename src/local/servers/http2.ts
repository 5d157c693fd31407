import type { Server } from 'node:http';
import { createServer, type Http2Server } from 'node:http2';
import type { Socket } from 'node:net';

/**
 * The first bytes of every client that speaks HTTP/2 without TLS as it knows that the server does. RFC 9113,
 * 3.4.
 */
const PREFACE = Buffer.from('PRI * HTTP/2.0');

/**
 * Makes a server answer HTTP/2 as well, by its handler of HTTP/1.1 requests. The SDK for JavaScript calls
 * Kinesis by HTTP/2 unless it is told otherwise.
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
