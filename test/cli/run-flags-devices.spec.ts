import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { itHas, outputOf, refusalOf, runScript } from '../support/cli-flags';
import { freshName } from '../support/containers';
import { api, docker, instance } from '../support/engine';

/** Device nodes and what the kernel lets be done with them; the root file system and its volumes. */
describe('device and storage flags of docker run', () => {
  const host = mkdtempSync(join(tmpdir(), 'devices-'));
  const cdi = join(dirname(instance.runDir), 'cdi');
  afterAll(() => {
    rmSync(host, { recursive: true });
    rmSync(cdi, { recursive: true, force: true });
  });

  itHas(['--device'], 'a node under another name, with the access given', async () => {
    const seen = await outputOf(
      ['--device', '/dev/loop-control:/dev/mine:r'],
      'ls -l /dev/mine; (exec 3</dev/mine) && echo reads; (exec 3>/dev/mine) 2>&1 || true',
    );
    expect(seen).toMatch(/^c.* 10, 237 .*\/dev\/mine\nreads\n.*Operation not permitted/);
    expect(await refusalOf(['--device', '/dev/nonesuch'])).toContain(
      'error gathering device information while adding custom device "/dev/nonesuch": no such file or directory',
    );
  });

  itHas(['--device-cgroup-rule'], 'a node that it makes itself can be opened by rule only', async () => {
    const script = 'mknod /node c 10 237; (exec 3</node) 2>&1 && echo opened';
    expect((await runScript([], script)).stdout).toContain('Operation not permitted');
    expect(await outputOf(['--device-cgroup-rule', 'c 10:237 rwm'], script)).toBe('opened\n');
    expect(await outputOf(['--device-cgroup-rule', 'c 10:* r'], script)).toBe('opened\n');
    expect(await refusalOf(['--device-cgroup-rule', 'nonsense'])).toContain('nonsense');
  });

  describe('of a vendor', () => {
    beforeAll(() => {
      mkdirSync(cdi, { recursive: true });
      writeFileSync(join(host, 'driver'), 'of the vendor\n');
      writeFileSync(
        join(cdi, 'vendor.yaml'),
        [
          'cdiVersion: 0.6.0',
          'kind: vendor.com/thing',
          'containerEdits: {env: [VENDOR=here]}',
          'devices:',
          '  - name: one',
          '    containerEdits:',
          '      deviceNodes: [{path: /dev/thing, hostPath: /dev/loop-control}]',
          `      mounts: [{hostPath: ${join(host, 'driver')}, containerPath: /opt/driver, options: [ro]}]`,
          `      hooks: [{hookName: createContainer, path: /bin/sh, args: [sh, -c, "echo ran > ${join(host, 'hook')}"]}]`,
        ].join('\n'),
      );
      const gpus = {
        cdiVersion: '0.6.0',
        kind: 'nvidia.com/gpu',
        devices: [{ name: 'all', containerEdits: { env: ['GPUS=all'] } }],
      };
      writeFileSync(join(cdi, 'gpu.json'), JSON.stringify(gpus));
    });

    // The CLI takes such names since 25.0, as long as it has had --health-start-interval.
    itHas(
      ['--device', '--health-start-interval'],
      'vendor.com/thing=one: node, environment, mount and hook',
      async () => {
        const script =
          'echo $VENDOR; (exec 3<>/dev/thing) && echo opened; cat /opt/driver; (echo x >/opt/driver) 2>&1 || true';
        expect(await outputOf(['--device', 'vendor.com/thing=one'], `${script}; true`)).toMatch(
          /^here\nopened\nof the vendor\n.*Read-only file system/,
        );
        expect((await runScript(['-v', `${host}:/h`], 'cat /h/hook')).stdout).toBe('ran\n');
        expect(await refusalOf(['--device', 'vendor.com/thing=two'])).toContain(
          'CDI device injection failed: unresolvable CDI devices vendor.com/thing=two',
        );
      },
    );

    itHas(['--gpus'], 'as the vendor describes them', async () => {
      expect(await outputOf(['--gpus', 'all'], 'echo $GPUS')).toBe('all\n');
      rmSync(join(cdi, 'gpu.json'));
      expect(await refusalOf(['--gpus', 'all'])).toContain(
        'could not select device driver "" with capabilities: [[gpu]]',
      );
      const { body } = await api.get<{ DiscoveredDevices: object[] }>('/info');
      expect(body.DiscoveredDevices).toEqual([{ Source: 'cdi', ID: 'vendor.com/thing=one' }]);
    });
  });

  itHas(['--cap-add'], 'a tunnel device that the image makes itself', async () => {
    const script = 'mkdir -p /dev/net; mknod /dev/net/tun c 10 200; cat /dev/net/tun 2>&1; true';
    expect(await outputOf(['--cap-add', 'NET_ADMIN'], script)).not.toContain('not permitted');
  });

  itHas(['--read-only'], 'nothing but what is mounted can be written', async () => {
    const script =
      'for path in /file /etc/hosts /dev/shm/file /mine/file; do (echo x >>$path) 2>/dev/null && echo $path; done; true';
    expect(await outputOf(['--read-only', '--tmpfs', '/mine'], script)).toBe('/dev/shm/file\n/mine/file\n');
  });

  itHas(['--tmpfs'], 'only options that a tmpfs has', async () => {
    expect(await refusalOf(['--tmpfs', '/t:size=1m,nonsense'])).toContain(
      'invalid tmpfs option ["nonsense"]',
    );
    expect(await refusalOf(['--tmpfs', '/'])).toContain("destination can't be '/'");
  });

  itHas(['--storage-opt'], 'refused where no file system can limit a container', async () => {
    expect(await refusalOf(['--storage-opt', 'size=1G'])).toContain(
      "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    );
    expect(await refusalOf(['--storage-opt', 'nonsense=1'])).toContain('Unknown option nonsense');
  });

  itHas(
    ['--volume', '--volumes-from', '--mount'],
    'the same directory of the host by three ways',
    async () => {
      const donor = freshName('donor');
      writeFileSync(join(host, 'file'), 'of the host\n');
      await docker(['create', '--name', donor, '--volume', `${host}:/m`, 'busybox']);
      try {
        for (const args of [
          ['--volume', `${host}:/m`],
          ['--volumes-from', donor],
          ['--mount', `type=bind,src=${host},dst=/m`],
        ]) {
          expect(await outputOf(args, 'cat /m/file')).toBe('of the host\n');
        }
      } finally {
        await docker(['rm', '-f', donor]);
      }
      expect(await refusalOf(['--volumes-from', 'nonesuch'])).toContain('No such container: nonesuch');
    },
  );

  itHas(['--volume-driver'], 'the local one; others are plugins', async () => {
    const args = ['--volume-driver', 'local', '-v', '/anonymous'];
    expect(await outputOf(args, 'grep -c " /anonymous " /proc/self/mountinfo')).toBe('1\n');
    const refused = await refusalOf(['--pull', 'never', '--volume-driver', 'nonesuch', '-v', 'some:/m']);
    expect(refused).toContain('nonesuch');
  });
});
