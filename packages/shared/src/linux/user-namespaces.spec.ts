import {
  closeSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelCredentials } from './credentials';
import { idInside, idOnHost, rootOf, type IdMapping } from './id-mapping';
import { KernelMounts } from './mounts';
import { KernelNamespaces } from './namespaces';
import { HostProcesses } from './processes/host-processes';
import { KernelUserNamespaces } from './user-namespaces';

const range = { container: 0, host: 200000, size: 65536 };
const MAPPING: IdMapping = { uids: [range], gids: [{ ...range, host: 300000 }] };
const mounts = new KernelMounts();
const userNamespaces = new KernelUserNamespaces(mounts);
const credentials = new KernelCredentials();
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'userns-'));
});

afterEach(() => {
  for (const entry of mounts.listMounts().reverse()) {
    if (entry.mountPoint.startsWith(root)) mounts.umount(entry.mountPoint, 2);
  }
  rmSync(root, { recursive: true });
});

const ownerOf = (path: string) => {
  const { uid, gid } = lstatSync(path);
  return { uid, gid };
};

it('knows both ways of a mapping', () => {
  const ranges = [range, { container: 65536, host: 5, size: 1 }];
  expect([0, 65535, 65536, 65537].map((id) => idOnHost(ranges, id))).toEqual([200000, 265535, 5, undefined]);
  expect([200000, 5, 0].map((id) => idInside(ranges, id))).toEqual([0, 65536, 65534]);
  expect(rootOf(MAPPING)).toEqual({ uid: 200000, gid: 300000 });
});

it('keeps a user namespace, once, with network namespaces that belong to it', async () => {
  const [user, network] = [join(root, 'user'), join(root, 'net')];
  userNamespaces.keep(user, MAPPING);
  const { ino } = statSync(user);
  userNamespaces.keep(user, MAPPING);
  expect(statSync(user).ino).toBe(ino);
  const processes = new HostProcesses();
  const shown = await processes.run(['nsenter', `--user=${user}`, 'cat', '/proc/self/uid_map']);
  expect(shown.stdout.trim().split(/\s+/)).toEqual(['0', '200000', '65536']);

  new KernelNamespaces().createNetworkNamespace(network, user);
  const enter = ['nsenter', `--user=${user}`, `--net=${network}`];
  expect(await processes.run([...enter, 'ip', 'link', 'set', 'lo', 'up'])).toMatchObject({ code: 0 });
  new KernelNamespaces().removeNetworkNamespace(network);
  expect(() => new KernelNamespaces().createNetworkNamespace(network, join(root, 'none'))).toThrow('nsenter');
  expect(readdirSync(root)).toEqual(['user']);
});

it('makes files as somebody else, with all capabilities, and is itself again', () => {
  mkdirSync(join(root, 'closed'), { mode: 0o700 });
  credentials.as({ uid: 200000, gid: 300000 }, () => writeFileSync(join(root, 'closed/file'), ''));
  expect(ownerOf(join(root, 'closed/file'))).toEqual({ uid: 200000, gid: 300000 });
  writeFileSync(join(root, 'own'), '');
  expect(ownerOf(join(root, 'own'))).toEqual({ uid: 0, gid: 0 });
  expect(() => credentials.as({ uid: 1, gid: 1 }, () => Promise.resolve())).toThrow(TypeError);
});

it('shows one store of layers with other owners, and takes what is written back to its own', () => {
  const at = (name: string) => join(root, name);
  for (const name of ['store/low', 'store/up', 'store/work', 'mapped', 'merged']) {
    mkdirSync(at(name), { recursive: true });
  }
  writeFileSync(at('store/low/ann'), 'hers');
  chownSync(at('store/low/ann'), 1000, 1001);
  writeFileSync(at('store/low/gone'), '');
  const namespace = userNamespaces.create(MAPPING);
  mounts.bindMapped(at('store'), at('mapped'), namespace);
  closeSync(namespace);
  const owner = rootOf(MAPPING);
  credentials.as(owner, () =>
    mounts.overlay({
      lower: [at('mapped/low')],
      upper: at('mapped/up'),
      work: at('mapped/work'),
      target: at('merged'),
    }),
  );
  expect(ownerOf(at('merged'))).toEqual(owner);
  expect(ownerOf(at('merged/ann'))).toEqual({ uid: 201000, gid: 301001 });
  credentials.as(owner, () => writeFileSync(at('merged/new'), ''));
  writeFileSync(at('merged/ann'), 'changed');
  unlinkSync(at('merged/gone'));
  expect(() => mkdirSync(at('merged/of-the-host'))).toThrow('EOVERFLOW');

  expect(ownerOf(at('store/up/new'))).toEqual({ uid: 0, gid: 0 });
  expect(ownerOf(at('store/up/ann'))).toEqual({ uid: 1000, gid: 1001 });
  expect(readFileSync(at('store/low/ann'), 'utf8')).toBe('hers');
  expect(lstatSync(at('store/up/gone'))).toMatchObject({ uid: 0, gid: 0, rdev: 0 });
});
