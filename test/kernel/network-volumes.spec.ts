import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { outputOf } from '../support/cli-flags';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';
import { describeInMachine } from '../support/kernel-machine';

const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });

/** What is mounted of a type, as `source options`. */
const mounted = (type: RegExp): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' - ')[1] ?? '')
    .filter((after) => type.test(after));

/** Writes from one container, reads from another, and sees that nothing stays mounted. */
async function usesVolume(type: RegExp, served: string, ...options: string[]): Promise<void> {
  const name = freshName('remote');
  const created = await docker(['volume', 'create', ...options.flatMap((option) => ['-o', option]), name]);
  expect(created.stderr).toBe('');
  await outputOf(['-v', `${name}:/remote`], 'echo from-a-container >/remote/file');
  expect(readFileSync(`${served}/file`, 'utf8')).toBe('from-a-container\n');
  const seen = await outputOf(
    ['-v', `${name}:/remote:ro`],
    'cat /remote/file; grep " /remote " /proc/mounts',
  );
  expect(seen).toMatch(/^from-a-container\n/);
  expect(seen).toMatch(type);
  expect(mounted(type)).toEqual([]);
  expect((await docker(['volume', 'rm', name])).code).toBe(0);
  expect(readdirSync(served)).toEqual(['file']);
}

describeInMachine('volumes over the network', () => {
  describe('NFS', () => {
    const served = '/srv/nfs';
    beforeAll(() => {
      mkdirSync(served, { recursive: true });
      sh(`systemctl start nfs-server; exportfs -o rw,no_root_squash,insecure,fsid=7 127.0.0.1:${served}`);
    }, 240_000);
    afterEach(() => sh(`rm -f ${served}/*`));
    afterAll(() => sh('exportfs -ua; systemctl stop nfs-server'), 240_000);

    it.each([
      ['nfs', `:${served}`, 'addr=127.0.0.1,rw,vers=4.2'],
      ['nfs', `127.0.0.1:${served}`, 'vers=4.1'],
      ['nfs4', `:${served}`, 'addr=127.0.0.1'],
      ['nfs', `:${served}`, 'addr=localhost,nolock,soft'],
    ])('type=%s device=%s o=%s', (type, device, o) =>
      usesVolume(/(^| )nfs4? /m, served, `type=${type}`, `device=${device}`, `o=${o}`),
    );

    it('a server that does not export it: an error, and nothing stays', async () => {
      const name = freshName('remote');
      await docker([
        'volume',
        'create',
        '-o',
        'type=nfs',
        '-o',
        'device=:/nothing',
        '-o',
        'o=addr=127.0.0.1',
        name,
      ]);
      const { code, stderr } = await docker(['run', '--rm', '-v', `${name}:/remote`, 'busybox', 'true']);
      expect(code).toBe(125);
      expect(stderr).toContain('failed to mount local volume: mount :/nothing:');
      expect((await docker(['volume', 'rm', name])).code).toBe(0);
    });
  });

  describe('SMB', () => {
    const served = '/srv/smb';
    beforeAll(() => {
      mkdirSync(served, { recursive: true });
      mkdirSync('/etc/ksmbd', { recursive: true });
      const share = `path = ${served}\n\tread only = no\n\tforce user = root\n\tforce group = root`;
      writeFileSync('/etc/ksmbd/ksmbd.conf', `[global]\n\tbind interfaces only = no\n[share]\n\t${share}\n`);
      sh('modprobe ksmbd; ksmbd.adduser -a tester -p secret; ksmbd.mountd');
    }, 240_000);
    afterAll(() => sh('ksmbd.control -s'), 240_000);

    it('a wrong password: an error that does not repeat it', async () => {
      const name = freshName('remote');
      const o = 'o=username=tester,password=wrong-one,vers=3.0';
      await docker(['volume', 'create', '-o', 'type=cifs', '-o', 'device=//127.0.0.1/share', '-o', o, name]);
      const { code, stderr } = await docker(['run', '--rm', '-v', `${name}:/remote`, 'busybox', 'true']);
      expect(code).toBe(125);
      expect(stderr).toContain('password=********');
      expect(stderr).not.toContain('wrong-one');
      await docker(['volume', 'rm', name]);
    });
  });
});
