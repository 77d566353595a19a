import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordingLinux } from '@gantry/shared/linux';
import type { Logger } from '@gantry/shared/logging';
import { EmptySlices } from './empty-slices';

const SCOPE = '/my.slice/my-own.slice/gantry-1.scope';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'slices-'));
  mkdirSync(join(root, 'my.slice/my-own.slice'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

/** What is stopped. `configured`: what somebody has set something for. */
async function ended(scope = SCOPE, configured = ''): Promise<string[]> {
  const linux = new RecordingLinux();
  const stopped: string[] = [];
  linux.answer('cgroups', 'directories', (path) => ({ unified: join(root, path) }));
  linux.answer('processes', 'run', async (argv) => {
    const [, verb] = argv;
    const slice = argv.at(-1) ?? '';
    if (verb === 'stop') {
      stopped.push(slice);
      rmSync(join(root, slice === 'my.slice' ? slice : `my.slice/${slice}`), { recursive: true });
    }
    const stdout = verb === 'show' && slice === configured ? '/etc/systemd/system/x\n\n' : '\n\n';
    return { code: 0, signal: null, stdout, stderr: '', timedOut: false };
  });
  await new EmptySlices(linux, { warn: () => undefined } as unknown as Logger).endAbove(scope);
  return stopped;
}

it('ends the slices above the last scope, the lowest first', async () => {
  expect(await ended()).toEqual(['my-own.slice', 'my.slice']);
});

it('leaves one with something in it', async () => {
  mkdirSync(join(root, 'my.slice/other.service'));
  expect(await ended()).toEqual(['my-own.slice']);
});

it('leaves what somebody has configured', async () => {
  expect(await ended(SCOPE, 'my-own.slice')).toEqual([]);
});

it('leaves the host’s own', async () => {
  expect(await ended('/system.slice/gantry-1.scope')).toEqual([]);
});
