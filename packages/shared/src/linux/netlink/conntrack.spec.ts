import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelNamespaces } from '../namespaces';
import { LibNftables } from '../nftables';
import { KernelSockets } from '../sockets';
import { KernelConntrack } from './conntrack';
import { KernelNetlink } from './kernel-netlink';

const namespaces = new KernelNamespaces();
const sockets = new KernelSockets();
const nftables = new LibNftables();
// Left out where libnftables is missing; `npm test` installs it.
const given = nftables.available() ? describe : describe.skip;

given.each([
  [4, '127.0.0.1'],
  [6, '::1'],
] as const)('flows of IPv%s in a private namespace', (family, loopback) => {
  let path: string;
  const open: Socket[] = [];
  const within = <T>(action: () => T): T => namespaces.withinNetworkNamespace(path, action);
  const udp = (): Socket => {
    const { fd } = within(() => sockets.bind({ protocol: 'udp', address: loopback, port: 0 }));
    const made = createSocket(family === 4 ? 'udp4' : 'udp6');
    made.bind({ fd });
    open.push(made);
    return made;
  };

  beforeAll(() => {
    path = join(mkdtempSync(join(tmpdir(), 'ct-')), 'ns');
    namespaces.createNetworkNamespace(path);
    within(() => {
      const route = new KernelNetlink().open();
      route.send([{ type: 'set-link', link: 'lo', up: true }]);
      route.close();
      // Without a rule that asks for it the kernel does not remember flows.
      nftables.run(
        'add table inet t; add chain inet t c { type filter hook output priority 0; }; add rule inet t c ct state new accept',
      );
    });
  });

  afterAll(() => {
    for (const each of open) each.close();
    namespaces.removeNetworkNamespace(path);
    rmSync(join(path, '..'), { recursive: true });
  });

  it('are forgotten, those that are meant', async () => {
    const [client, one, two] = [udp(), udp(), udp()];
    for (const server of [one, two]) {
      const arrived = once(server, 'message');
      client.send('x', server.address().port, loopback);
      await arrived;
    }
    const conntrack = within(() => new KernelConntrack().open());
    const meant = { source: loopback, destination: loopback, sourcePort: client.address().port };
    const forget = (port?: number) =>
      conntrack.forgetUdp(family, port, ({ destinationPort, ...flow }) => {
        expect(flow).toEqual(meant);
        return destinationPort === (port ?? two.address().port);
      });
    expect(forget(one.address().port)).toBe(1);
    expect(forget(one.address().port)).toBe(0);
    expect(forget()).toBe(1);
    expect(conntrack.forgetUdp(family, undefined, () => true)).toBe(0);
    conntrack.close();
  });
});
