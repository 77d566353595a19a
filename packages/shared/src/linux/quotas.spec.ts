import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelFiles } from './files';
import { KernelMounts } from './mounts';
import { KernelQuotas } from './quotas';
import { which } from './which';

const MIB = 2 ** 20;
const mounts = new KernelMounts();
const quotas = new KernelQuotas();
let directory: string;
let place: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quotas-'));
  place = join(directory, 'place');
  mkdirSync(place);
});
afterEach(() => {
  mounts.detach(place);
  rmSync(directory, { recursive: true });
});

it('says where there are none', () => {
  mounts.mount('tmpfs', place, 'tmpfs');
  expect(quotas.available(place)).toBe(false);
  quotas.release(place);
  quotas.release(join(place, 'nothing'));
});

/** Whether this kernel keeps quotas of the file system; what it is built without shows only when one is mounted. */
function mountWithQuotas(type: 'xfs' | 'ext4'): boolean {
  const make = { xfs: ['mkfs.xfs', '-q'], ext4: ['mkfs.ext4', '-q', '-O', 'quota,project'] }[type];
  if (!which(make[0] ?? '') || !which('mount')) return false;
  const image = join(directory, 'image');
  execFileSync('truncate', ['-s', '512M', image]);
  execFileSync(make[0] ?? '', [...make.slice(1), image]);
  try {
    execFileSync('mount', ['-t', type, '-o', 'loop,prjquota', image, place], { stdio: 'ignore' });
  } catch {
    return false;
  }
  return quotas.available(place);
}

const [ENOSPC, EDQUOT] = [-28, -122];

function errnoOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno;
  }
  return undefined;
}

describe.each([
  ['xfs', ENOSPC],
  ['ext4', EDQUOT],
] as const)('on %s', (type, full) => {
  it('limits a tree, and what overlayfs writes into it', () => {
    if (!mountWithQuotas(type)) {
      process.stdout.write(`skipped: no project quotas of ${type} on this host\n`);
      return;
    }
    const [limited, free, merged] = [join(place, 'limited'), join(place, 'free'), join(directory, 'merged')];
    for (const path of [limited, free, merged]) mkdirSync(path);
    quotas.limit(limited, 8 * MIB);
    for (const name of ['upper', 'work']) mkdirSync(join(limited, name));
    mounts.overlay({
      lower: [free],
      upper: join(limited, 'upper'),
      work: join(limited, 'work'),
      target: merged,
    });
    try {
      writeFileSync(join(merged, 'small'), Buffer.alloc(4 * MIB));
      expect(errnoOf(() => writeFileSync(join(merged, 'large'), Buffer.alloc(8 * MIB)))).toBe(full);
      expect(statfsSync(limited).blocks * statfsSync(limited).bsize).toBe(8 * MIB);
    } finally {
      mounts.detach(merged);
    }
    writeFileSync(join(free, 'large'), Buffer.alloc(16 * MIB));
  });

  it('keeps trees apart, and gives their projects back', () => {
    if (!mountWithQuotas(type)) return;
    const sizeOf = (path: string) => statfsSync(path).blocks * statfsSync(path).bsize;
    const [first, second] = [join(place, 'first'), join(place, 'second')];
    for (const path of [first, second]) {
      mkdirSync(path);
      // Where there are any, xfs sets the highest of its flags.
      new KernelFiles().setXattr(path, 'trusted.own', Buffer.from('x'));
      quotas.limit(path, 8 * MIB);
    }
    mkdirSync(join(first, 'below'));
    quotas.release(join(first, 'below')); // belongs to the project around it
    expect(sizeOf(first)).toBe(8 * MIB);
    quotas.release(first);
    expect(sizeOf(first)).toBeGreaterThan(8 * MIB);
    expect(sizeOf(second)).toBe(8 * MIB);
    quotas.release(place);
  });
});
