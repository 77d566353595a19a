import { containerGroup, ociCgroupsPath } from './cgroup-names';

const names = { cgroupParent: '/blue', instance: 'blue' };
const cgroupfs = { ...names, cgroupDriver: 'cgroupfs' as const };
const systemd = { ...names, cgroupDriver: 'systemd' as const };

it.each([
  [cgroupfs, '', '/blue/id', '/blue/id'],
  [cgroupfs, 'mine/own', '/mine/own/id', '/mine/own/id'],
  [systemd, '', '/system.slice/blue-id.scope', 'system.slice:blue:id'],
  [systemd, 'user-1.slice', '/user.slice/user-1.slice/blue-id.scope', 'user-1.slice:blue:id'],
  [systemd, '-.slice', '/blue-id.scope', '-.slice:blue:id'],
])('%j, parent %j: %s', (config, parent, group, forRuntime) => {
  expect(containerGroup(config, 'id', parent)).toBe(group);
  expect(ociCgroupsPath(config, 'id', parent)).toBe(forRuntime);
});
