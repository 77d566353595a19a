import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf, refusalOf } from '../support/cli-flags';
import { cgroupV2, ContainerCgroup } from '../support/container-cgroup';
import { freshName } from '../support/containers';
import { docker, instance } from '../support/engine';
import { eventually } from '../support/eventually';
import { describeInMachine } from '../support/kernel-machine';

const driver = process.env['GANTRY_CGROUP_DRIVER'] ?? 'cgroupfs';
const PIDS = { v1: ['pids', 'pids.max'] as [string, string], v2: 'pids.max' };

/** On v2 there is one hierarchy for all. */
const CONTROLLER = cgroupV2 ? '' : 'pids';

describeInMachine(`cgroup driver ${driver}`, () => {
  const name = freshName('grouped');
  let id: string;
  let group: ContainerCgroup;
  beforeAll(async () => {
    id = (
      await docker(['run', '-d', '--pids-limit', '50', '--name', name, 'busybox', 'sleep', '600'])
    ).stdout.trim();
    group = await ContainerCgroup.of(name);
  }, 120_000);
  afterAll(() => docker(['rm', '-f', name]), 120_000);

  it('is that of docker info, and makes the groups', async () => {
    expect((await docker(['info', '-f', '{{.CgroupDriver}} {{.CgroupVersion}}'])).stdout).toBe(
      `${driver} ${cgroupV2 ? 2 : 1}\n`,
    );
    const scope = `/system.slice/${instance.name}-${id}.scope`;
    if (driver === 'systemd') expect(group.path(CONTROLLER).replace(/\/container$/, '')).toBe(scope);
    else expect(group.path(CONTROLLER)).toBe(`/${instance.name}/${id}`);
  });

  it('limits survive systemctl daemon-reload, those of docker update too', async () => {
    execFileSync('systemctl', ['daemon-reload']);
    expect(group.read(PIDS)).toBe('50');
    await docker(['update', '--pids-limit', '60', name]);
    execFileSync('systemctl', ['daemon-reload']);
    expect(group.read(PIDS)).toBe('60');
  });

  it('a container is started again and again, and leaves no group', async () => {
    for (let round = 0; round < 3; round++) expect((await docker(['restart', '-t', '0', name])).code).toBe(0);
    const again = await ContainerCgroup.of(name);
    expect(again.read(PIDS)).toBe('60');
    await docker(['rm', '-f', name]);
    await eventually(() => {
      const left = join('/sys/fs/cgroup', CONTROLLER, again.path(CONTROLLER));
      if (existsSync(left)) throw new Error(`${left} is there`);
    });
    const units = execFileSync('systemctl', [
      'list-units',
      '--all',
      '--no-legend',
      `${instance.name}-*.scope`,
    ]);
    expect(units.toString()).toBe('');
  });

  if (driver === 'systemd') {
    it('--cgroup-parent is a slice', async () => {
      expect(await refusalOf(['--cgroup-parent', '/mine'])).toContain(
        'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
      );
      const path = await outputOf(
        ['--cgroup-parent', 'my-own.slice', '--cgroupns', 'host'],
        'cat /proc/self/cgroup',
      );
      expect(path).toContain(`:/my.slice/my-own.slice/${instance.name}-`);
      // Which systemd itself would keep.
      await eventually(() => expect(existsSync(join('/sys/fs/cgroup', CONTROLLER, 'my.slice'))).toBe(false));
    });
  }
});
