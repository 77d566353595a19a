import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelNamespaces } from './namespaces';
import { LibNftables, NftablesError } from './nftables';

const namespaces = new KernelNamespaces();
const nftables = new LibNftables();
// Left out where libnftables is missing; `npm test` installs it.
const given = nftables.available() ? describe : describe.skip;

given('nftables in a private namespace', () => {
  let path: string;
  const run = (commands: string): void =>
    namespaces.withinNetworkNamespace(path, () => nftables.run(commands));
  const elements = (): unknown[] =>
    namespaces.withinNetworkNamespace(path, () => {
      const answer = nftables.query('list map inet t ports') as {
        nftables: { map?: { elem?: unknown[] } }[];
      };
      return answer.nftables.flatMap((entry) => entry.map?.elem ?? []);
    });

  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), 'nft-')), 'ns');
    namespaces.createNetworkNamespace(path);
    run('add table inet t; add map inet t ports { type inet_service : ipv4_addr . inet_service; }');
  });

  afterEach(() => {
    namespaces.removeNetworkNamespace(path);
    rmSync(join(path, '..'), { recursive: true });
  });

  it('adds and deletes map elements', () => {
    run('add element inet t ports { 8080 : 172.17.0.2 . 80, 8081 : 172.17.0.3 . 80 }');
    expect(elements()).toHaveLength(2);
    run('delete element inet t ports { 8080 }');
    expect(elements()).toEqual([[8081, { concat: ['172.17.0.3', 80] }]]);
  });

  it('is all or nothing, and explains', () => {
    expect(() =>
      run('add element inet t ports { 1 : 10.0.0.1 . 1 }; delete element inet t ports { 2 }'),
    ).toThrow(NftablesError);
    expect(elements()).toEqual([]);
    expect(() => run('add element inet absent ports { 1 : 10.0.0.1 . 1 }')).toThrow(
      'No such file or directory',
    );
    expect(() => run('nonsense')).toThrow('syntax error');
  });

  it('stays inside the namespace', () => {
    expect(JSON.stringify(nftables.query('list tables'))).not.toContain('"name": "t"');
  });

  it('works in a process with thousands of open files', () => {
    run('add map inet t before { type inet_service : ipv4_addr; }');
    const open = Array.from({ length: 1_100 }, () => openSync('/dev/null', 'r'));
    run('add element inet t ports { 8080 : 172.17.0.2 . 80 }');
    const kept = namespaces.withinNetworkNamespace(path, () => nftables.open());
    for (const fd of open) closeSync(fd);
    kept.run('add element inet t ports { 8081 : 172.17.0.2 . 80 }');
    kept.close();
    expect(elements()).toHaveLength(2);
  });
});
