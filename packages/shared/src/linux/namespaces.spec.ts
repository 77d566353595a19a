import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelMounts } from './mounts';
import { KernelNamespaces } from './namespaces';

const namespaces = new KernelNamespaces();
const own = (): string => readlinkSync('/proc/thread-self/ns/net');
let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'netns-'));
  path = join(directory, 'ns');
});

afterEach(() => {
  namespaces.removeNetworkNamespace(path);
  rmSync(directory, { recursive: true });
});

it('makes, enters, leaves and drops a network namespace', () => {
  const home = own();
  namespaces.createNetworkNamespace(path);
  expect(own()).toBe(home);
  const inside = namespaces.withinNetworkNamespace(path, () => ({
    id: own(),
    links: readFileSync('/proc/thread-self/net/dev', 'utf8').trim().split('\n').slice(2),
  }));
  expect(inside.id).not.toBe(home);
  expect(inside.links).toHaveLength(1);
  expect(own()).toBe(home);
  namespaces.removeNetworkNamespace(path);
  namespaces.removeNetworkNamespace(path);
  expect(existsSync(path)).toBe(false);
  expect(new KernelMounts().isMountPoint(path)).toBe(false);
});

it('drops all that is mounted in one place', () => {
  const mounts = new KernelMounts();
  namespaces.createNetworkNamespace(path);
  mounts.bindMount(path, path);
  namespaces.removeNetworkNamespace(path);
  expect(existsSync(path)).toBe(false);
});

it('comes back when the callback throws, and refuses one that would run on elsewhere', () => {
  const home = own();
  namespaces.createNetworkNamespace(path);
  expect(() =>
    namespaces.withinNetworkNamespace(path, () => {
      throw new Error('inside');
    }),
  ).toThrow('inside');
  expect(() => namespaces.withinNetworkNamespace(path, () => Promise.resolve())).toThrow(TypeError);
  expect(own()).toBe(home);
});

it('does not take over a file that is there', () => {
  namespaces.createNetworkNamespace(path);
  expect(() => namespaces.createNetworkNamespace(path)).toThrow('EEXIST');
  expect(namespaces.withinNetworkNamespace(path, own)).not.toBe(own());
});
