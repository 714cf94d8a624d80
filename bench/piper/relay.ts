/** The floor: a relay of bytes in Node that knows nothing of SSH. `node relay.ts FROM-PORT TO-PORT` */
import { connect, createServer } from 'node:net';

const [from, to] = process.argv.slice(2).map(Number);
if (from === undefined || to === undefined) throw new Error('usage: relay.ts FROM-PORT TO-PORT');

createServer({ noDelay: true }, (client) => {
  const server = connect({ host: '127.0.0.1', port: to, noDelay: true });
  const end = (): void => {
    client.destroy();
    server.destroy();
  };
  for (const socket of [client, server]) socket.on('error', end).on('close', end);
  client.pipe(server).pipe(client);
}).listen(from, '127.0.0.1');
