import { invalidArgument } from '@gantry/shared/errors';
import type { HostFacts } from '../host-facts';
import type { ContainerConfig, HostConfig } from '../records/api-documents';

/** The namespaces, the runtime and the storage of a container. @throws InvalidArgument in Docker's words. */
export function checkModes(
  hostConfig: HostConfig,
  facts: Pick<HostFacts, 'runtimes' | 'userRemap' | 'cgroupDriver'>,
  warnings: string[],
): void {
  const { IpcMode, PidMode, NetworkMode, Isolation, OomScoreAdj, Umask } = hostConfig;
  if (!['none', 'private', 'shareable', 'host'].includes(IpcMode) && !joins(IpcMode)) {
    throw invalidArgument(`invalid IPC mode: ${IpcMode}`);
  }
  if (PidMode !== '' && PidMode !== 'host' && !joins(PidMode)) {
    throw invalidArgument(`invalid PID mode: ${PidMode}`);
  }
  if (!['', 'host'].includes(hostConfig.UTSMode)) {
    throw invalidArgument(`invalid UTS mode: ${hostConfig.UTSMode}`);
  }
  if (!['private', 'host'].includes(hostConfig.CgroupnsMode)) {
    throw invalidArgument(`invalid cgroup namespace mode: ${hostConfig.CgroupnsMode}`);
  }
  if (!['', 'host'].includes(hostConfig.UsernsMode)) {
    throw invalidArgument(`invalid userns mode: ${hostConfig.UsernsMode}`);
  }
  if (facts.userRemap && hostConfig.UsernsMode === '') checkRemapped(hostConfig);
  if (NetworkMode === 'container:') {
    throw invalidArgument('Invalid network mode: invalid container format container:<name|id>');
  }
  if (NetworkMode === 'host' && Object.keys(hostConfig.PortBindings ?? {}).length > 0) {
    warnings.push('Published ports are discarded when using host network mode');
  }
  if (!facts.runtimes.includes(hostConfig.Runtime)) {
    throw invalidArgument(`unknown or invalid runtime name: ${hostConfig.Runtime}`);
  }
  if (!['', 'default'].includes(Isolation))
    throw invalidArgument(`invalid isolation '${Isolation}' on linux`);
  if (hostConfig.ShmSize < 0) throw invalidArgument('SHM size can not be less than 0');
  if (OomScoreAdj < -1000 || OomScoreAdj > 1000) {
    throw invalidArgument(`Invalid value ${OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  if (Umask !== undefined && Umask > 0o777) {
    throw invalidArgument(`invalid umask: ${Umask.toString(8)}: must be between 0 and 0777`);
  }
  if ('' in (hostConfig.Annotations ?? {})) {
    throw invalidArgument('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  checkCgroupParent(hostConfig.CgroupParent, facts.cgroupDriver);
}

/** `container:<name or id>`. */
function joins(mode: string): boolean {
  return mode.startsWith('container:') && mode.length > 'container:'.length;
}

/** What belongs to root of the host is not for root of a container. */
function checkRemapped({ Privileged, NetworkMode, PidMode }: HostConfig): void {
  if (Privileged) {
    throw invalidArgument(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
    );
  }
  if (NetworkMode === 'host') {
    throw invalidArgument("cannot share the host's network namespace when user namespaces are enabled");
  }
  if (PidMode === 'host') {
    throw invalidArgument('cannot share the host PID namespace when user namespaces are enabled');
  }
}

/** The group of the container is made below it, in every hierarchy: a path, or one of systemd's slices. */
function checkCgroupParent(parent: string, driver: HostFacts['cgroupDriver']): void {
  if (driver === 'systemd' && parent !== '' && !/^[^/\0]+\.slice$/.test(parent)) {
    throw invalidArgument('cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"');
  }
  if (parent.split('/').includes('..') || parent.includes('\0')) {
    throw invalidArgument(`invalid cgroup parent: ${parent}`);
  }
}

/** What the host's UTS namespace has is the host's to set. */
export function checkUts(config: ContainerConfig, { UTSMode }: HostConfig): void {
  if (UTSMode !== 'host') return;
  if (config.Hostname !== '') throw invalidArgument('conflicting options: hostname and the UTS mode');
  if (config.Domainname !== '') throw invalidArgument('conflicting options: domainname and the UTS mode');
}
