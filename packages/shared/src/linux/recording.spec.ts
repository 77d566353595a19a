import { SystemError } from './errno';
import type { Linux } from './linux';
import { RecordingLinux } from './recording';

it('records, answers and fails as told', async () => {
  const recording = new RecordingLinux();
  const linux: Linux = recording;
  recording
    .answer('processes', 'spawn', 4711)
    .answer('mounts', 'umount', () => {
      throw new SystemError(16, 'umount', '/m');
    })
    .answer('mounts', 'isMountPoint', (path) => path === '/m');

  linux.mounts.overlay({ lower: ['/l'], target: '/m' });
  expect(linux.processes.spawn({ path: '/bin/true', argv: ['true'], env: {} })).toBe(4711);
  expect(() => linux.mounts.umount('/m')).toThrow('umount /m: EBUSY');
  expect(linux.mounts.isMountPoint('/m')).toBe(true);
  expect(linux.mounts.listMounts()).toEqual([]);
  expect(await linux.processes.wait(4711)).toEqual({ code: 0, signal: null });
  expect(recording.calls.map((call) => call.method)).toEqual([
    'mounts.overlay',
    'processes.spawn',
    'mounts.umount',
    'mounts.isMountPoint',
    'mounts.listMounts',
    'processes.wait',
  ]);
  expect(recording.callsOf('mounts', 'overlay')).toEqual([[{ lower: ['/l'], target: '/m' }]]);
});

it('plays a network namespace and its socket', () => {
  const linux = new RecordingLinux();
  linux.answerNetlink('link', { index: 7, name: 'br0' });
  const found = linux.namespaces.withinNetworkNamespace('/ns', () => {
    const socket = linux.netlink.open();
    socket.send([{ type: 'set-link', link: 1, up: true }]);
    return socket.link('br0')?.index;
  });
  expect(found).toBe(7);
  expect(linux.callsOf('netlinkSocket', 'send')).toEqual([[[{ type: 'set-link', link: 1, up: true }]]]);
});
