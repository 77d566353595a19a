import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { overlayProblem } from './overlay-probe.mjs';

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot('whether overlayfs works below a directory', () => {
  let place: string;
  beforeAll(() => void (place = mkdtempSync(join(tmpdir(), 'overlay-probe-'))));
  afterAll(() => rmSync(place, { recursive: true }));

  it('does on a disk, also where its path has what separates options, and leaves nothing', () => {
    const directory = join(place, 'a:b,c');
    mkdirSync(directory);
    expect(overlayProblem(directory)).toBeUndefined();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('does not on an overlay', () => {
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) =>
      join(place, name),
    );
    for (const each of [lower, upper, work, merged]) mkdirSync(each as string);
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', merged as string]);
    try {
      expect(overlayProblem(merged as string)).toContain(
        'the kernel mounts no overlay on the file system of',
      );
      expect(readdirSync(merged as string)).toEqual([]);
    } finally {
      execFileSync('umount', [merged as string]);
    }
  });

  it('does not where nothing can be written', () => {
    expect(overlayProblem('/proc')).toContain('ENOENT');
  });
});
