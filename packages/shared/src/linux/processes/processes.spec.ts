import { closeSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostProcesses } from './host-processes';

const processes = new HostProcesses();
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
const shell = (script: string, fds: Record<number, number> = {}, cwd?: string): number =>
  processes.spawn({ path: '/bin/sh', argv: ['sh', '-c', script], env, fds, cwd });

describe('spawn', () => {
  it('tells exit codes and signals apart', async () => {
    expect(await processes.wait(shell('exit 7'))).toEqual({ code: 7, signal: null });
    expect(await processes.wait(shell('kill -TERM $$'))).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('leaves no signal ignored or blocked, not even those of the C library', async () => {
    const [read, write] = processes.pipe();
    const pid = shell('grep -E "Sig(Ign|Blk)" /proc/self/status', { 1: write });
    closeSync(write);
    expect((await processes.readAll(read)).toString().match(/0{16}/g)).toHaveLength(2);
    await processes.wait(pid);
  });

  it('passes extra descriptors, the working directory and only the given environment', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'spawn-'));
    const [read, write] = processes.pipe();
    const pid = processes.spawn({
      path: '/bin/sh',
      argv: ['sh', '-c', 'echo "$PWD $A" >&3; env >&3'],
      env: { A: 'b' },
      fds: { 3: write },
      cwd: directory,
    });
    closeSync(write);
    const output = (await processes.readAll(read)).toString();
    expect(output).toContain(`${directory} b\n`);
    expect(output).not.toContain('HOME=');
    await processes.wait(pid);
    rmSync(directory, { recursive: true });
  });

  it('gives each number the right descriptor when they overlap', async () => {
    const [readA, a] = processes.pipe();
    const [readB, b] = processes.pipe();
    const pid = shell(`echo toA >/proc/self/fd/${b}; echo toB >/proc/self/fd/${a}`, { [a]: b, [b]: a });
    closeSync(a);
    closeSync(b);
    expect(await processes.readLine(readA)).toBe('toA');
    expect(await processes.readLine(readB)).toBe('toB');
    await processes.wait(pid);
  });

  it('leaks no other descriptor into the child', async () => {
    const [read, write] = processes.pipe();
    const pid = shell('ls /proc/self/fd', { 1: write });
    closeSync(write);
    const open = (await processes.readAll(read)).toString().trim().split('\n');
    expect(open.length).toBeLessThanOrEqual(4);
    await processes.wait(pid);
  });

  it('throws when the program cannot be executed', () => {
    expect(() => processes.spawn({ path: '/nonexistent', argv: ['x'], env })).toThrow(
      expect.objectContaining({ code: 'ENOENT', syscall: 'posix_spawn' }),
    );
  });

  it('reaps a hundred at once, leaving neither zombies nor descriptors', async () => {
    const before = readdirSync('/proc/self/fd').length;
    const pids = Array.from({ length: 100 }, (_, index) => shell(`exit ${index}`));
    const ends = await Promise.all(pids.map((pid) => processes.wait(pid)));
    expect(ends.map((end) => end.code)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(pids.filter((pid) => processes.startTime(pid) !== undefined)).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    // Fewer: something of an earlier test was closed meanwhile.
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
  });
});

describe('run', () => {
  it('gives a program its input as a file', async () => {
    const script = '[ -f /proc/self/fd/0 ] && cat';
    const { code, stdout } = await processes.run(['sh', '-c', script], { stdinFile: 'hello' });
    expect([code, stdout]).toEqual([0, 'hello']);
  });

  it('returns output, errors and the code', async () => {
    const result = await processes.run(['sh', '-c', 'cat; echo no >&2; exit 3'], { stdin: 'hello' });
    expect(result).toEqual({ code: 3, signal: null, stdout: 'hello', stderr: 'no\n', timedOut: false });
  });

  it('keeps a bounded part of endless output and kills at the time limit', async () => {
    const result = await processes.run(['sh', '-c', 'yes'], { timeoutMs: 200, maxOutput: 1000 });
    expect(result).toMatchObject({ code: null, signal: 'SIGKILL', timedOut: true });
    expect(result.stdout.length).toBe(1000);
  });

  it('refuses a program that is nowhere', async () => {
    await expect(processes.run(['no-such-program-here'])).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('waitForExit', () => {
  it('sees the end of a process that is not a child', async () => {
    const [read, write] = processes.pipe();
    const [hold, release] = processes.pipe();
    const pid = shell('sh -c "echo \\$\\$; exec cat" <&3 & exit 0', { 1: write, 3: hold });
    closeSync(write);
    closeSync(hold);
    const grandchild = Number(await processes.readLine(read));
    await processes.wait(pid);
    const startTime = processes.startTime(grandchild);
    expect(processes.isAlive(grandchild, startTime)).toBe(true);
    expect(readFileSync(`/proc/${grandchild}/comm`, 'utf8')).toMatch(/cat|sh/);
    const ended = processes.waitForExit(grandchild, { startTime });
    writeSync(release, 'x');
    closeSync(release);
    await ended;
    expect(processes.isAlive(grandchild, startTime)).toBe(false);
  });

  it('takes another process with the same pid for the end of the first', async () => {
    await processes.waitForExit(process.pid, { startTime: 1 });
    await processes.waitForExit(2 ** 22 + 1);
  });

  it('can be given up', async () => {
    const abort = new AbortController();
    const waiting = processes.waitForExit(process.pid, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('signals by pidfd, and not a process that has gone', async () => {
    const pid = shell('exec sleep 60');
    const pidfd = processes.openPidfd(pid);
    expect(pidfd).toBeDefined();
    expect(processes.signalPidfd(pidfd!, 'SIGTERM')).toBe(true);
    expect(await processes.wait(pid)).toEqual({ code: null, signal: 'SIGTERM' });
    expect(processes.signalPidfd(pidfd!, 'SIGTERM')).toBe(false);
    expect(processes.signal(pid, 'SIGTERM')).toBe(false);
    closeSync(pidfd!);
  });
});
