// A small peer for tests of networks, run inside whatever network namespace:
//   serve PORT                 echoes TCP streams and UDP datagrams on all addresses, and says `ready`
//   ask tcp|udp HOST PORT TEXT  says what comes back, or an error code
import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv6 } from 'node:net';
import { pathToFileURL } from 'node:url';

const PATIENCE_MS = 2_000;

function serve(port) {
  const streams = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  const datagrams = createSocket({ type: 'udp6', ipv6Only: false });
  datagrams.on('message', (text, from) => datagrams.send(text, from.port, from.address));
  streams.listen(port, '::', () => datagrams.bind(port, '::', () => process.stdout.write('ready\n')));
}

/** Resolves with what comes back, or with the error's code. */
export function ask(protocol, host, port, text) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end('timeout'), PATIENCE_MS);
    let close;
    const end = (said) => {
      clearTimeout(timer);
      close();
      resolve(said);
    };
    if (protocol === 'tcp') {
      const socket = connect(port, host, () => socket.write(text));
      close = () => socket.destroy();
      socket.on('data', (bytes) => end(bytes.toString()));
      socket.on('error', ({ code }) => end(code));
      return;
    }
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    close = () => socket.close();
    socket.on('message', (bytes) => end(bytes.toString()));
    socket.on('error', ({ code }) => end(code));
    socket.connect(port, host, () => socket.send(text));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , command, ...options] = process.argv;
  if (command === 'serve') serve(Number(options[0]));
  else process.stdout.write(await ask(options[0], options[1], Number(options[2]), options[3]));
}
