import { statSync } from 'node:fs';
import { messageOf } from '@gantry/shared/errors';
import type { OciHook, OciSpec } from '@gantry/shared/oci';
import { deviceNumbers } from '../spec/devices';
import type { CdiDeviceNode, CdiEdits, CdiHook } from './cdi-document';
import type { CdiDevice } from './cdi-registry';

/** Makes the devices part of the specification of a container: first what their files want for all, once, then their own. */
export function injectDevices(spec: OciSpec, devices: CdiDevice[]): void {
  const documents = new Set(devices.map(({ document }) => document));
  for (const { containerEdits } of documents) if (containerEdits) apply(spec, containerEdits);
  for (const { edits } of devices) apply(spec, edits);
}

function apply(spec: OciSpec, edits: CdiEdits): void {
  for (const entry of edits.env ?? []) setVariable(spec, entry);
  for (const node of edits.deviceNodes ?? []) addNode(spec, node);
  for (const { hostPath, containerPath, type = 'bind', options = [] } of edits.mounts ?? []) {
    const bind = type === 'bind' && !options.some((option) => option === 'bind' || option === 'rbind');
    spec.mounts = spec.mounts.filter(({ destination }) => destination !== containerPath);
    spec.mounts.push({
      destination: containerPath,
      type,
      source: hostPath,
      options: bind ? ['rbind', ...options] : options,
    });
  }
  for (const hook of edits.hooks ?? []) addHook(spec, hook);
  if (edits.intelRdt) spec.linux.intelRdt = edits.intelRdt;
  const { user } = spec.process;
  const gids = (edits.additionalGids ?? []).filter((gid) => gid !== 0);
  if (gids.length > 0) user.additionalGids = [...new Set([...(user.additionalGids ?? []), ...gids])];
}

function setVariable(spec: OciSpec, entry: string): void {
  const name = entry.slice(0, entry.indexOf('=') + 1);
  spec.process.env = [...spec.process.env.filter((each) => !each.startsWith(name)), entry];
}

function addNode(spec: OciSpec, node: CdiDeviceNode): void {
  const device = { ...node, ...numbersOf(node) };
  const { uid, gid } = spec.process.user;
  spec.linux.devices = [
    ...(spec.linux.devices ?? []).filter(({ path }) => path !== node.path),
    {
      path: node.path,
      type: device.type,
      major: device.major,
      minor: device.minor,
      fileMode: device.fileMode,
      uid: node.uid ?? uid,
      gid: node.gid ?? gid,
    },
  ];
  if (device.type !== 'b' && device.type !== 'c') return;
  spec.linux.resources.devices = [
    ...(spec.linux.resources.devices ?? []),
    {
      allow: true,
      type: device.type,
      major: device.major,
      minor: device.minor,
      access: node.permissions ?? 'rwm',
    },
  ];
}

/** What the file leaves open is as on the host. */
function numbersOf({ path, hostPath = path, ...given }: CdiDeviceNode) {
  const known = given.type === 'p' || (given.type && given.major !== undefined && given.minor !== undefined);
  if (known) {
    return { major: 0, minor: 0, ...given, type: given.type ?? 'c', fileMode: given.fileMode ?? 0o666 };
  }
  let status;
  try {
    status = statSync(hostPath);
  } catch (error) {
    throw new Error(`failed to stat CDI host device ${JSON.stringify(hostPath)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const type = status.isBlockDevice() ? 'b' : status.isCharacterDevice() ? 'c' : undefined;
  if (type === undefined) throw new Error(`CDI: ${hostPath} is not a device`);
  const { major, minor } = deviceNumbers(status.rdev);
  return { type, major, minor, fileMode: given.fileMode ?? status.mode & 0o7777 };
}

function addHook(spec: OciSpec, { hookName, ...hook }: CdiHook): void {
  const hooks: Partial<Record<string, OciHook[]>> = spec.hooks ?? {};
  spec.hooks = { ...hooks, [hookName]: [...(hooks[hookName] ?? []), hook] };
}
