import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refuseMountsOnProc } from './mounts-on-proc';

const directory = mkdtempSync(join(tmpdir(), 'on-proc-'));
const [root, volume] = [join(directory, 'root'), join(directory, 'volume')];

beforeAll(() => {
  for (const path of ['proc', 'sub', 'data']) mkdirSync(join(root, path), { recursive: true });
  mkdirSync(join(volume, 'deep'), { recursive: true });
  symlinkSync('/proc', join(root, 'absolute'));
  symlinkSync('../../../proc/self', join(root, 'sub/relative'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('/proc', join(volume, 'deep/link'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const refuse = (...destinations: string[]): void =>
  refuseMountsOnProc({
    root: { path: root, readonly: false },
    mounts: destinations.map((destination) => ({ destination, type: 'bind', source: volume, options: [] })),
  });

it.each([
  [['/proc'], '"/proc" cannot be mounted because it is not of type proc'],
  [['/data/../proc/'], 'not of type proc'],
  [['/proc/sys'], '"/proc/sys" cannot be mounted because it is inside /proc'],
  [['/proc/self/attr'], 'inside /proc'],
  [['/absolute/sys'], '"/proc/sys" cannot be mounted because it is inside /proc'],
  [['/sub/relative/attr'], '"/proc/self/attr" cannot'],
  [['/loop'], 'too many levels of symbolic links'],
  // The first one's content leads the second one there.
  [
    ['/data', '/data/deep/link/sys'],
    `error mounting "${volume}" to rootfs at "/data/deep/link/sys": "/proc/sys"`,
  ],
])('%j is refused', (destinations, message) => expect(() => refuse(...destinations)).toThrow(message));

it.each([[['/data', '/data/deep', '/process']], [['/proc/uptime']], [['/proc/../data']]])(
  '%j is not',
  (destinations) => expect(() => refuse(...destinations)).not.toThrow(),
);

it('a proc may be mounted on /proc, a tmpfs may not', () => {
  const mounts = (type: string, source: string) => [{ destination: '/proc', type, source, options: [] }];
  const at = { path: root, readonly: false };
  expect(() => refuseMountsOnProc({ root: at, mounts: mounts('bind', '/proc') })).not.toThrow();
  expect(() => refuseMountsOnProc({ root: at, mounts: mounts('tmpfs', 'tmpfs') })).toThrow(
    'not of type proc',
  );
});
