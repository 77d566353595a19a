import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foreignGroupsOf, linksOf, monitorsOf, mountsBelow } from './remains.mjs';

describe('what belongs to an instance', () => {
  it('picks mounts in and below its directories, the deepest first, and none of a neighbour', () => {
    const mountInfo = [
      '1 0 0:1 / / rw - ext4 /dev/vda rw',
      '2 1 0:2 / /var/lib/blue rw - tmpfs tmpfs rw',
      '3 2 0:3 / /var/lib/blue/overlay2/a\\040b/merged rw - overlay overlay rw',
      '4 1 0:4 / /var/lib/blueprint rw - tmpfs tmpfs rw',
      '5 1 0:5 / /run/blue/x rw - tmpfs tmpfs rw',
      '',
    ].join('\n');
    expect(mountsBelow(mountInfo, ['/var/lib/blue', '/run/blue'])).toEqual([
      '/run/blue/x',
      '/var/lib/blue/overlay2/a b/merged',
      '/var/lib/blue',
    ]);
  });

  it('picks links by alias, and the bridge named after it only when the instance was here', () => {
    const links = [
      { ifname: 'v1', ifalias: 'gantry:blue:endpoint' },
      { ifname: 'v2', ifalias: 'gantry:blues:endpoint' },
      { ifname: 'blue0', linkinfo: { info_kind: 'bridge' } },
      { ifname: 'docker0', linkinfo: { info_kind: 'bridge' } },
    ];
    expect(linksOf('blue', links, false)).toEqual(['v1']);
    expect(linksOf('blue', links, true)).toEqual(['v1', 'blue0']);
  });

  it('does not take a bridge that another program has named', () => {
    const links = [
      { ifname: 'blue0', ifalias: 'ours', linkinfo: { info_kind: 'bridge' } },
      { ifname: 'blue0' },
    ];
    expect(linksOf('blue', links, true)).toEqual([]);
  });

  it('picks the monitors whose bundle is in its data root', () => {
    const processes = [
      { pid: 1, args: ['/usr/bin/conmon', '-c', 'x', '-b', '/var/lib/blue/containers/x'] },
      { pid: 2, args: ['conmon', '-b', '/var/lib/other/containers/y'] },
      { pid: 3, args: ['less', '-b', '/var/lib/blue/log'] },
      { pid: 4, args: [] },
    ];
    expect(monitorsOf(processes, ['/var/lib/blue'])).toEqual([1]);
  });
});

describe('foreignGroupsOf', () => {
  const directory = mkdtempSync(join(tmpdir(), 'groups-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('finds what containers have outside of the instance', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(64));
    const groups = [
      `/mine/${ids[0]}`,
      `/other/${ids[1]}`,
      '/etc',
      `/../${ids[3]}`,
      `/system.slice/mine-${ids[4]}.scope/container`,
    ];
    ids.forEach((id, index) => {
      mkdirSync(join(directory, id));
      const record = JSON.stringify({ process: { cgroup: groups[index] } });
      writeFileSync(join(directory, id, 'container.json'), record);
    });
    expect(foreignGroupsOf('mine', directory)).toEqual([groups[1], `/system.slice/mine-${ids[4]}.scope`]);
    expect(foreignGroupsOf('mine', join(directory, 'nothing'))).toEqual([]);
  });
});
