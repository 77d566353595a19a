import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { outputOf, runScript } from '../support/cli-flags';
import { freshName } from '../support/containers';
import { docker, instance } from '../support/engine';

const ENABLED = '/sys/module/apparmor/parameters/enabled';
const confines = existsSync(ENABLED) && readFileSync(ENABLED, 'utf8').startsWith('Y');
const inAppArmor = confines ? describe : describe.skip;
const why = confines ? '' : ' (not with this kernel: it has no AppArmor)';

inAppArmor(`AppArmor${why}`, () => {
  const profile = `${instance.name}-default`;
  const own = (...args: string[]) => outputOf(args, 'cat /proc/self/attr/current');

  it('confines containers that ask for nothing, and says so', async () => {
    expect(await own()).toBe(`${profile} (enforce)\n`);
    const { stdout } = await docker(['info', '-f', '{{.SecurityOptions}}']);
    expect(stdout).toContain('name=apparmor');
  });

  it('forbids what capabilities alone would allow', async () => {
    const script =
      'mkdir -p /mnt; mount -t tmpfs none /mnt; cat /proc/kcore; echo x >/proc/sys/kernel/hostname';
    const open = ['--cap-add', 'SYS_ADMIN', '--security-opt', 'systempaths=unconfined'];
    const { stderr } = await runScript(open, `${script}; true`);
    expect(stderr.match(/Permission denied/g)).toHaveLength(3);
    const unconfined = [...open, '--security-opt', 'apparmor=unconfined'];
    expect(await outputOf(unconfined, 'mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted')).toBe(
      'mounted\n',
    );
  });

  it('takes a profile by name, with dockerd’s name for the default one', async () => {
    expect(await own('--security-opt', 'apparmor=docker-default')).toMatch(
      /^[a-z0-9]+-default \(enforce\)\n$/,
    );
    expect(await own('--security-opt', 'apparmor=unconfined')).toBe('unconfined\n');
    const unknown = await runScript(['--security-opt', 'apparmor=no-such-profile'], 'true');
    expect(unknown.code).toBe(125);
    expect(unknown.stderr).toContain('attr/exec`: No such file or directory');
  });

  it('leaves what is privileged alone', async () => {
    expect(await own('--privileged')).toBe('unconfined\n');
  });

  it('confines execs, privileged ones too, and RUN', async () => {
    const name = freshName('confined');
    await docker(['run', '-d', '--name', name, 'busybox', 'sleep', '300']);
    expect((await docker(['inspect', '-f', '{{.AppArmorProfile}}', name])).stdout).toBe(`${profile}\n`);
    for (const flags of [[], ['--privileged']]) {
      const { stdout } = await docker(['exec', ...flags, name, 'cat', '/proc/self/attr/current']);
      expect(stdout).toBe(`${profile} (enforce)\n`);
    }
    await docker(['rm', '-f', name]);
    const dockerfile = 'FROM busybox\nRUN cat /proc/self/attr/current\n';
    const { stdout } = await docker(['build', '-'], { input: dockerfile });
    expect(stdout).toContain(`${profile} (enforce)`);
  });

  it('is loaded again where somebody has unloaded it', async () => {
    writeFileSync('/sys/kernel/security/apparmor/.remove', profile);
    expect(await own()).toBe(`${profile} (enforce)\n`);
  });
});
