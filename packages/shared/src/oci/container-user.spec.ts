import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLinux } from '../linux';
import { resolveUser } from './container-user';

describe('resolveUser', () => {
  const rootfs = mkdtempSync(join(tmpdir(), 'user-'));
  mkdirSync(join(rootfs, 'etc'));
  writeFileSync(
    join(rootfs, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nbob:x:1500:1600:bob:/home/bob:/bin/sh\n',
  );
  writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\nwheel:x:10:root\nbobs:x:1600:\nextra:x:1700:bob\n');
  afterAll(() => rmSync(rootfs, { recursive: true }));
  const { paths } = createLinux();
  const resolve = (spec: string, groups: string[] = []) => resolveUser(paths, rootfs, spec, groups);

  it.each([
    ['', { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root' }],
    ['0:0', { uid: 0, gid: 0, additionalGids: [0], home: '/root' }],
    ['bob', { uid: 1500, gid: 1600, additionalGids: [1600, 1700], home: '/home/bob' }],
    ['1500', { uid: 1500, gid: 1600, additionalGids: [1600, 1700], home: '/home/bob' }],
    ['1234:4321', { uid: 1234, gid: 4321, additionalGids: [4321], home: '/' }],
    ['bob:extra', { uid: 1500, gid: 1700, additionalGids: [1700], home: '/home/bob' }],
  ])('%s', (spec, expected) => {
    expect(resolve(spec)).toEqual(expected);
  });

  it('adds groups by number and name', () => {
    expect(resolve('1234', ['777', 'extra']).additionalGids).toEqual([0, 777, 1700]);
  });

  it.each(['-1', '99999999999', '0:-5', 'bob:2147483648'])('%s is no id', (spec) => {
    expect(() => resolve(spec)).toThrow('uids and gids must be in range 0-2147483647');
  });

  it('says who is not there', () => {
    expect(() => resolve('nosuchuser')).toThrow(
      'unable to find user nosuchuser: no matching entries in passwd file',
    );
    expect(() => resolve('bob:nogroup')).toThrow(
      'unable to find group nogroup: no matching entries in group file',
    );
  });
});
