import { createLinux } from './create-linux';

it('knows its host', () => {
  const { host } = createLinux();
  expect(host.kernelVersion()[0]).toBeGreaterThanOrEqual(4);
  expect(host.osName()).not.toMatch(/["']/);
  expect(host.memoryTotal()).toBeGreaterThan(2 ** 27);
  expect(host.sysctl('kernel.ostype')).toBe('Linux');
  expect(host.sysctl('no.such.setting')).toBeUndefined();
  expect(() => host.sysctl('../../etc/passwd')).toThrow(RangeError);
  expect(host.which('sh')).toMatch(/^\/.*\/sh$/);
  expect(host.which('no-such-program')).toBeUndefined();
});

it('hands the kernel no string that it would cut', () => {
  const { paths, mounts, processes } = createLinux();
  expect(() => paths.openInRoot('/', 'etc\0/hidden', 0)).toThrow('EINVAL');
  expect(() => mounts.umount('/no-such\0/mount')).toThrow('EINVAL');
  expect(() => processes.spawn({ path: '/bin/true', argv: ['true', 'a\0b'], env: {} })).toThrow('EINVAL');
});
