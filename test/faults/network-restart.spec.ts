import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { inspect, removeContainer, startContainer } from '../support/containers';
import { instance, killService } from '../support/engine';
import { hasIpv6, loopbacks } from '../support/ipv6';
import { ask, serveEcho } from '../support/network-peer';

/** With handles: whatever is made anew gets another one. */
const rules = () => execFileSync('nft', ['-a', 'list', 'table', 'inet', instance.name], { encoding: 'utf8' });

/** Resolves when the connection is made, with when it ends: the relay's do with the service, and leave its port in TIME_WAIT. */
async function relayed(port: number): Promise<{ ended: Promise<unknown> }> {
  const connection = connect(port, '::1');
  connection.on('error', () => {});
  connection.write('six');
  expect(((await once(connection, 'data')) as [Buffer])[0].toString()).toBe('six');
  return { ended: once(connection, 'close') };
}

describe('kill -9 of network-service', () => {
  let id: string;
  let server: ChildProcess;

  beforeAll(async () => {
    id = await startContainer({ host: { PortBindings: { '7/tcp': [{}], '7/udp': [{}] } } });
    server = await serveEcho((await inspect(id)).State.Pid, 7);
  });
  afterAll(async () => {
    server.kill();
    await removeContainer(id);
  });

  it('disturbs no connection, and the rules stay the ones that they were', async () => {
    const { Ports, Networks } = (await inspect(id)).NetworkSettings;
    const port = Number(Ports['7/tcp']?.[0]?.HostPort);
    const before = rules();
    const sockets = [connect(port, '127.0.0.1'), connect(port, Networks['bridge']?.Gateway ?? '')];
    const cut = hasIpv6 ? await relayed(port) : undefined;
    let back = false;
    const echoed = sockets.map(async (socket) => {
      for (let count = 0; !back; count++) {
        socket.write(`${count}`);
        const [answer] = (await once(socket, 'data')) as [Buffer];
        expect(answer.toString()).toBe(`${count}`);
      }
      socket.destroy();
    });
    await killService('network');
    back = true;
    await Promise.all([...echoed, cut?.ended]);
    expect(rules()).toBe(before);
  });

  it('gives new connections of both families their way again', async () => {
    const { Ports } = (await inspect(id)).NetworkSettings;
    for (const protocol of ['tcp', 'udp'] as const) {
      const port = Number(Ports[`7/${protocol}`]?.[0]?.HostPort);
      const answers = loopbacks.map((address) => ask(protocol, address, port));
      expect(await Promise.all(answers)).toEqual(loopbacks.map(() => 'hello'));
    }
  });

  it('undoes what somebody did to the rules while it was away', async () => {
    const { Ports } = (await inspect(id)).NetworkSettings;
    const port = Number(Ports['7/tcp']?.[0]?.HostPort);
    const killed = killService('network');
    execFileSync('nft', [
      `flush map inet ${instance.name} published_any; flush chain inet ${instance.name} to_published`,
    ]);
    await killed;
    expect(await ask('tcp', '127.0.0.1', port)).toBe('hello');
  });
});
