import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Supervised } from './supervisor.mjs';

const READY = 'process.send({ ready: true });';
const STAYS = 'setInterval(() => {}, 1e6);';

describe('Supervised', () => {
  let directory: string;
  let lines: string[];
  let running: Supervised[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-supervisor-'));
    lines = [];
    running = [];
  });
  afterEach(async () => {
    await Promise.all(running.map((supervised) => supervised.stop(1000)));
    rmSync(directory, { recursive: true, force: true });
  });

  function supervise(program: string, backoff = { first: 5, longest: 40, healthyAfter: 10_000 }) {
    const start = () =>
      spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    const definition = { name: 'child', stopSignal: 'SIGTERM' as const, start };
    const log = (name: string, line: string) => lines.push(`${name} ${line}`);
    const supervised = new Supervised(definition, { pidDirectory: directory, log, backoff });
    running.push(supervised);
    supervised.start();
    return supervised;
  }

  it('starts a process, says when it is ready, keeps its pid file and its output', async () => {
    const supervised = supervise(`console.log('hello'); ${READY} ${STAYS}`);
    const pid = await supervised.ready();
    expect(pid).toBe(supervised.pid);
    expect(readFileSync(join(directory, 'child'), 'utf8')).toMatch(new RegExp(`^${pid} \\d+\n$`));
    await supervised.stop();
    expect(lines).toContain('child hello');
    expect(supervised.pid).toBeUndefined();
    expect(existsSync(join(directory, 'child'))).toBe(false);
  });

  it('starts it again after SIGKILL', async () => {
    const supervised = supervise(`${READY} ${STAYS}`);
    await supervised.ready();
    const killed = supervised.kill();
    const pid = await supervised.ready({ notPid: killed });
    expect(pid).not.toBe(killed);
    expect(supervised.restarts).toBe(1);
  });

  it('does not wait for one that has a setting which it cannot use', async () => {
    const supervised = supervise(`process.send({ refused: 'GANTRY_X: no' }, () => process.exit(1))`);
    await expect(supervised.ready()).rejects.toThrow(/^GANTRY_X: no$/);
  });

  it('doubles the pause up to the longest and gives up waiting for one that never becomes ready', async () => {
    const supervised = supervise('process.exit(3)');
    await expect(supervised.ready()).rejects.toThrow('child ends at start (exit code 3)');
    const pauses = lines.map((line) => Number(/again in (\d+) ms/.exec(line)?.[1]));
    expect(pauses.slice(0, 5)).toEqual([5, 10, 20, 40, 40]);
  });

  it('begins with the first pause again after a healthy time', async () => {
    const supervised = supervise(`${READY} ${STAYS}`, { first: 5, longest: 1000, healthyAfter: 0 });
    for (let round = 0; round < 3; round++) {
      await supervised.ready();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await supervised.ready({ notPid: supervised.kill() });
    }
    expect(lines.every((line) => line.endsWith('again in 5 ms'))).toBe(true);
  });

  it('kills a process that does not stop within the limit', async () => {
    const supervised = supervise(`process.on('SIGTERM', () => {}); ${READY} ${STAYS}`);
    await supervised.ready();
    await supervised.stop(50);
    expect(supervised.pid).toBeUndefined();
    expect(lines.some((line) => line.includes('did not stop within'))).toBe(true);
  });

  it('reports a program that does not exist as an end', async () => {
    const definition = {
      name: 'ghost',
      stopSignal: 'SIGTERM' as const,
      start: () => spawn('/nonexistent/program', { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }),
    };
    const log = (_name: string, line: string) => lines.push(line);
    const options = { pidDirectory: directory, log, backoff: { first: 1, longest: 1, healthyAfter: 1 } };
    const supervised = new Supervised(definition, options);
    running.push(supervised);
    supervised.start();
    await expect(supervised.ready()).rejects.toThrow('ENOENT');
  });
});
