// Asks the resolver of a container for the IPv4 address of a name, from inside the container's network namespace:
//   name-client.mjs NAME SECONDS WIDTH
// WIDTH questions are under way at a time. Says {"milliseconds": [each], "failed": count}.
import { createSocket } from 'node:dgram';

const [, , name, seconds, width] = process.argv;
const RESOLVER = '127.0.0.11';
const PATIENCE_MS = 1_000;
const labels = name
  .split('.')
  .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
const question = Buffer.concat([...labels, Buffer.from([0, 0, 1, 0, 1])]);
const milliseconds = [];
let failed = 0;
const until = performance.now() + Number(seconds) * 1_000;

/** One question after the other on a socket of its own, which the kernel may give another port than the next. */
async function askOn(socket) {
  for (let id = 1; performance.now() < until; id = (id + 1) % 65_536) {
    const began = performance.now();
    const answer = await exchange(socket, Buffer.concat([header(id), question]));
    milliseconds.push(performance.now() - began);
    // An answer without error, with one record at least.
    if (!answer || answer.readUInt16BE(0) !== id || (answer[3] & 15) !== 0 || answer.readUInt16BE(6) < 1)
      failed++;
  }
  socket.close();
}

function header(id) {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(0x0100, 2);
  bytes.writeUInt16BE(1, 4);
  return bytes;
}

function exchange(socket, message) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
    socket.once('message', (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.send(message);
  });
}

const sockets = Array.from({ length: Number(width) }, () => createSocket('udp4'));
await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.connect(53, RESOLVER, resolve))));
await Promise.all(sockets.map(askOn));
process.stdout.write(JSON.stringify({ milliseconds, failed }));
