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
