import { interfaceNames } from './interface-names';

const IFNAME = 'com.docker.network.endpoint.ifname';
const PREFIX = 'com.docker.network.container_iface_prefix';
interface Wanted {
  network: { options: Record<string, string> };
  settings: { DriverOpts?: Record<string, string> };
}

const on = (name?: string, prefix?: string): Wanted => ({
  network: { options: prefix === undefined ? {} : { [PREFIX]: prefix } },
  settings: name === undefined ? {} : { DriverOpts: { [IFNAME]: name } },
});

test.each<[string, Wanted[], string[], string[]]>([
  ['one after the other', [on(), on()], [], ['eth0', 'eth1']],
  ['the smallest number that is free', [on()], ['eth0', 'eth2'], ['eth1']],
  ['what was asked for comes first', [on(), on('eth0')], [], ['eth1', 'eth0']],
  ['a name with a number takes none from others', [on('web0'), on()], [], ['web0', 'eth0']],
  ['a prefix counts for itself', [on(), on(undefined, 'foo')], [], ['eth0', 'foo0']],
])('%s', (_title, wanted, taken, names) => {
  expect(interfaceNames(wanted, taken)).toEqual(names);
});

test.each<[string, Wanted[], string[], string]>([
  ['another interface', [on('eth0')], ['eth0'], 'eth0'],
  ['another endpoint', [on('a'), on('a')], [], 'a'],
  ['the loopback device', [on('lo')], [], 'lo'],
])('not the name of %s', (_title, wanted, taken, name) => {
  expect(() => interfaceNames(wanted, taken)).toThrow(`error renaming interface to "${name}": file exists`);
});
