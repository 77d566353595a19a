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
    const words = '/srv/mount-words';
    const helper = '/sbin/mount.cifs';
    const real = '/srv/real/mount.cifs';
    const share = (user: string, password: string) =>
      `type=cifs device=//127.0.0.1/share o=username=${user},password=${password},vers=3.0`.split(' ');
    /** What mount(8) and its helper are called with is written down. */
    const SPY = `#!/bin/sh\n{ tr '\\0' ' ' </proc/$PPID/cmdline; echo "$@"; } >>${words}\nexec ${real} "$@"\n`;
    beforeAll(() => {
      mkdirSync(served, { recursive: true });
      const global = 'interfaces = lo\nbind interfaces only = yes\nserver role = standalone server';
      const directory = `path = ${served}\nread only = no\nforce user = root`;
      writeFileSync('/etc/samba/smb.conf', `[global]\n${global}\n[share]\n${directory}\n`);
      for (const [user, password] of [
        ['comma', 'se,cret'],
        ['plain', 'secret'],
      ]) {
        sh(`useradd -M ${user}; printf '${password}\\n${password}\\n' | smbpasswd -s -a ${user}`);
      }
      sh(`systemctl start smbd; mkdir /srv/real; mv ${helper} ${real}`);
      writeFileSync(helper, SPY, { mode: 0o755 });
    }, 240_000);
    afterEach(() => sh(`rm -f ${served}/* ${words}`));
    afterAll(() => sh(`mv ${real} ${helper}; rm -r /srv/real; systemctl stop smbd`), 240_000);

    it('is mounted; no program is called with the password', async () => {
      await usesVolume(/(^| )cifs /m, served, ...share('comma', 'se,,cret'));
      const called = readFileSync(words, 'utf8');
      expect(called).toContain('username=comma');
      expect(called).not.toContain('cret');
    });

    it('a wrong password: an error that does not repeat it', async () => {
      const name = freshName('remote');
      const options = share('plain', 'wrong-one');
      await docker(['volume', 'create', ...options.flatMap((option) => ['-o', option]), name]);
      const { code, stderr } = await docker(['run', '--rm', '-v', `${name}:/remote`, 'busybox', 'true']);
      expect(code).toBe(125);
      expect(stderr).toContain('password=********');
      expect(stderr).toContain('Permission denied');
      expect(stderr).not.toContain('wrong-one');
      expect(mounted(/(^| )cifs /m)).toEqual([]);
      expect((await docker(['volume', 'rm', name])).code).toBe(0);
    });

    it('is mounted where there is no mount.cifs', async () => {
      sh(`mv ${helper} ${helper}.away`);
      await usesVolume(/(^| )cifs /m, served, ...share('plain', 'secret')).finally(() =>
        sh(`mv ${helper}.away ${helper}`),
      );
    });
  });
});
