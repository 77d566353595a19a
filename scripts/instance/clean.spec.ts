import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTimeOf } from '../host/processes.mjs';
import { cleanInstance } from './clean.mjs';
import { instanceNames } from './names.mjs';

// Left out without root, who alone may change nftables.
const withRoot = process.getuid?.() === 0 ? describe : describe.skip;

withRoot('clean, when the directories of an instance are gone already', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-clean-'));
  const name = `gc${randomBytes(3).toString('hex')}`;
  const namesIn = (place: string) =>
    instanceNames({ name, runDir: join(directory, place, 'run'), dataRoot: join(directory, place, 'data') });
  const nft = (command: string) => execFileSync('nft', [command], { encoding: 'utf8' });
  const tables = () => nft('list tables').split('\n');
  const clean = async (place: string) => {
    const said: string[] = [];
    await cleanInstance(namesIn(place), { say: (line) => said.push(line) });
    return said;
  };

  afterEach(() => {
    if (tables().includes(`table inet ${name}`)) nft(`delete table inet ${name}`);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('takes the nft table away that says whose it is', async () => {
    nft(`add table inet ${name} { comment "gantry:${name}"; }`);
    expect(await clean('gone')).toEqual([`removed the nft table inet ${name}`]);
    expect(tables()).not.toContain(`table inet ${name}`);
  });

  it('leaves a table of that name that may be of another program', async () => {
    nft(`add table inet ${name}`);
    expect(await clean('gone')).toEqual([]);
    expect(tables()).toContain(`table inet ${name}`);
  });

  it('ends a supervisor that is still there, but not one with other directories', async () => {
    const lock = join(__dirname, 'lock.mjs');
    const program = `import(${JSON.stringify(lock)}).then(async ({ lockInstance }) => {
      const names = ${JSON.stringify(namesIn('lost'))};
      await lockInstance(names);
      (await import('node:fs')).rmSync(names.runDir, { recursive: true });
      process.send('locked'); setInterval(() => {}, 1e6); })`;
    const supervisor = spawn(process.execPath, ['-e', program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await new Promise((resolve) => supervisor.once('message', resolve));
    await expect(clean('gone')).rejects.toThrow(
      `the instance ${name} runs with the run directory ${namesIn('lost').runDir}: nothing was removed`,
    );
    expect(await clean('lost')).toEqual([`stopping supervisor (process ${supervisor.pid})`]);
    expect(startTimeOf(supervisor.pid ?? 0)).toBeUndefined();
  });
});
