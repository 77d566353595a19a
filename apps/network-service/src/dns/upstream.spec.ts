import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import packet, { type Packet } from 'dns-packet';
import type { OutgoingSockets } from './exchange';
import { framed, unframed } from './framing';
import { Upstream } from './upstream';

const SERVFAIL = 2;
const query = packet.encode({
  type: 'query',
  id: 4711,
  questions: [{ name: 'Example.com', type: 'A', class: 'IN' }],
});

/** connect(2) fails with EACCES, as it does with ENETUNREACH on a host without a route. */
const REFUSED_ADDRESS = '255.255.255.255';

/** Servers by the name that stands for their address, and how often each was asked. */
const ports = new Map<string, { udp: number; tcp: number }>();
const asked: string[] = [];
const stops: (() => void)[] = [];

/** What goes to port 53 of a server goes to where it really listens. */
const sockets: OutgoingSockets = {
  udp: async (server) => {
    const socket = createSocket('udp4');
    const connect = socket.connect.bind(socket);
    const to = ports.get(server)?.udp ?? 1;
    return Object.assign(socket, {
      connect: (_: number, __: string, ...done: (() => void)[]) =>
        connect(to, server === 'unroutable' ? REFUSED_ADDRESS : '127.0.0.1', ...done),
    });
  },
  tcp: async (server) => {
    const socket = new Socket();
    const connect = socket.connect.bind(socket);
    return Object.assign(socket, { connect: () => connect(ports.get(server)?.tcp ?? 1, '127.0.0.1') });
  },
};

async function serve(
  name: string,
  answer: (query: Packet, overTcp: boolean) => Packet | undefined,
): Promise<void> {
  const udp = createSocket('udp4', (message, from) => {
    asked.push(name);
    const said = answer(packet.decode(message), false);
    if (said) udp.send(packet.encode(said), from.port, from.address);
  });
  udp.bind(0, '127.0.0.1');
  const tcp = createServer((socket) =>
    socket.on('data', (bytes) => {
      const [message] = unframed(bytes).messages;
      const said = message && answer(packet.decode(message), true);
      if (said) socket.end(framed(packet.encode(said)));
    }),
  ).listen(0, '127.0.0.1');
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  ports.set(name, { udp: udp.address().port, tcp: (tcp.address() as AddressInfo).port });
  stops.push(() => {
    udp.close();
    tcp.close();
  });
}

const reply = ({ id, questions }: Packet, address: string, flags = 0): Packet => ({
  type: 'response',
  id,
  flags,
  questions: questions?.map((question) => ({ ...question, name: question.name.toLowerCase() })),
  answers: flags === 0 ? [{ type: 'A', name: 'example.com', ttl: 1, data: address }] : [],
});

const ask = async (upstream: Upstream, ...servers: string[]) => {
  const bytes = await upstream.ask(servers, query, sockets, false);
  const answer = bytes && (packet.decode(bytes) as packet.DecodedPacket & { rcode: string });
  return (
    answer && {
      id: answer.id,
      rcode: answer.rcode,
      data: answer.answers?.map((one) => 'data' in one && one.data),
    }
  );
};

beforeAll(async () => {
  await serve('good', (asks) => reply(asks, '192.0.2.1'));
  await serve('silent', () => undefined);
  await serve('broken', (asks) => reply(asks, '', SERVFAIL));
  await serve('liar', (asks) => ({
    ...reply(asks, '192.0.2.66'),
    questions: [{ name: 'evil', type: 'A', class: 'IN' }],
  }));
  await serve('brief', (asks, overTcp) => reply(asks, '192.0.2.9', overTcp ? 0 : packet.TRUNCATED_RESPONSE));
});
afterEach(() => asked.splice(0));
afterAll(() => {
  for (const stop of stops) stop();
});

const good = { id: 4711, rcode: 'NOERROR', data: ['192.0.2.1'] };

it('gives the answer of the first server, and troubles no other', async () => {
  expect(await ask(new Upstream(), 'good', 'silent')).toEqual(good);
  expect(asked).toEqual(['good']);
});

it('goes on to the next where one is silent, and asks that one first from then on', async () => {
  const upstream = new Upstream();
  expect(await ask(upstream, 'silent', 'good')).toEqual(good);
  asked.splice(0);
  expect(await ask(upstream, 'silent', 'good')).toEqual(good);
  expect(asked).toEqual(['good']);
});

it.each(['broken', 'unreachable', 'unroutable', 'liar'])(
  'goes on to the next where one is %s',
  async (server) => {
    expect(await ask(new Upstream(), server, 'good')).toEqual(good);
  },
);

it('tells of trouble when nobody knows better', async () => {
  expect(await ask(new Upstream(), 'broken', 'unreachable')).toMatchObject({ rcode: 'SERVFAIL' });
  expect(await ask(new Upstream(), 'unreachable')).toBeUndefined();
  expect(await ask(new Upstream())).toBeUndefined();
});

it('fetches over TCP what does not fit into a datagram', async () => {
  expect(await ask(new Upstream(), 'brief')).toEqual({ ...good, data: ['192.0.2.9'] });
});
