import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { KernelNamespaces } from './namespaces';
import { LibNftables } from './nftables';
import type { NftablesChange } from './nftables-monitor';

const namespaces = new KernelNamespaces();
const nftables = new LibNftables();
// Left out where libnftables is missing; `npm test` installs it.
const given = nftables.available() ? describe : describe.skip;

given('the monitor of nftables in a private namespace', () => {
  let path: string;
  const within = <T>(action: () => T): T => namespaces.withinNetworkNamespace(path, action);
  const run = (commands: string): void => within(() => nftables.run(commands));
  const seen: NftablesChange[] = [];
  let told = (): void => undefined;
  const news = (): Promise<void> => new Promise((resolve) => (told = resolve));
  let close: () => void;

  beforeAll(() => {
    path = join(mkdtempSync(join(tmpdir(), 'nft-')), 'ns');
    namespaces.createNetworkNamespace(path);
    const monitor = within(() =>
      nftables.monitor((change) => {
        seen.push(change);
        told();
      }),
    );
    close = () => monitor.close();
  });

  afterEach(() => {
    seen.length = 0;
  });

  afterAll(() => {
    close();
    namespaces.removeNetworkNamespace(path);
    rmSync(join(path, '..'), { recursive: true });
  });

  it('names the tables of a transaction, and knows its own', async () => {
    const heard = news();
    run('add table inet a; add table ip b; add map inet a m { type inet_service : ipv4_addr; }');
    await heard;
    expect(seen).toEqual([{ tables: new Set(['inet a', 'ip b']), own: true }]);
  });

  it('hears of what other programs do', async () => {
    const heard = news();
    execFileSync('nsenter', [`--net=${path}`, 'nft', 'flush', 'ruleset']);
    await heard;
    expect(seen).toEqual([{ tables: new Set(['inet a', 'ip b']), own: false }]);
  });

  it('says when there was too much to hear', async () => {
    run('add table inet a; add map inet a m { type inet_proto . inet_service : ipv4_addr; }');
    const ports = Array.from({ length: 9_000 }, (_, port) => `tcp . ${port} : 10.0.0.1`);
    run(`add element inet a m { ${ports.join(', ')} }`);
    await news();
    expect(seen.some((change) => change.tables === undefined)).toBe(true);
    seen.length = 0;
    const heard = news();
    run('delete table inet a');
    await heard;
    expect(seen.length).toBeGreaterThan(0);
  });
});
