import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { internal, messageOf } from '@gantry/shared/errors';
import { LINUX, MountFlag, SystemError, type Linux } from '@gantry/shared/linux';
import { needsMount, parseMountOptions, type ParsedMountOptions } from './local-options';

/**
 * dockerd's `local` driver: a volume with `type`, `o` and `device` is that file system, mounted over its `_data` while a
 * container uses it. Whether it is mounted is asked of the kernel, never remembered.
 */
@Injectable()
export class LocalDriver {
  constructor(@Inject(LINUX) private readonly linux: Linux) {}

  needsMount(options: Record<string, string>): boolean {
    return needsMount(options);
  }

  isMounted(mountpoint: string): boolean {
    return this.linux.mounts.isMountPoint(mountpoint);
  }

  /** @throws Internal in dockerd's words; a password in the options is not repeated. */
  async mount(mountpoint: string, options: Record<string, string>): Promise<void> {
    const { type = '', device = '', o = '' } = options;
    if (device === '') throw internal(failure(mountpoint, 'missing device in volume options'));
    const parsed = parseMountOptions(await resolveAddress(type, o));
    try {
      this.mountParsed(device, mountpoint, type, parsed);
    } catch (error) {
      const data = parsed.data ? `, data: ${withoutPassword(parsed.data)}` : '';
      const call = `mount ${device}:${mountpoint}${data}`;
      throw internal(failure(mountpoint, `failed to mount local volume: ${call}: ${reason(error)}`), error);
    }
  }

  unmount(mountpoint: string): void {
    this.linux.mounts.detach(mountpoint);
  }

  private mountParsed(device: string, mountpoint: string, type: string, parsed: ParsedMountOptions): void {
    const { mounts } = this.linux;
    mounts.mount(device, mountpoint, type, parsed.flags, parsed.data);
    try {
      // A bind mount takes its flags only from a remount (mount(2)), and propagation is always a call of its own.
      const own = parsed.flags & ~(MountFlag.BIND | MountFlag.REC);
      if (parsed.flags & MountFlag.BIND && own !== 0) {
        mounts.mount('', mountpoint, '', MountFlag.BIND | MountFlag.REMOUNT | own);
      }
      if (parsed.propagation !== 0) mounts.mount('', mountpoint, '', parsed.propagation);
    } catch (error) {
      mounts.detach(mountpoint);
      throw error;
    }
  }
}

const failure = (mountpoint: string, why: string): string =>
  `error while mounting volume '${mountpoint}': ${why}`;

const withoutPassword = (data: string): string => data.replace(/(^|,)password=[^,]*/, '$1password=********');

/** The kernel's NFS and CIFS clients want the server's address, not its name. */
async function resolveAddress(type: string, o: string): Promise<string> {
  const host = /(?:^|,)addr=([^,]+)/.exec(o)?.[1];
  if ((type !== 'nfs' && type !== 'cifs') || !host || isIPv4(host)) return o;
  try {
    const { address } = await lookup(host);
    return o.replace(`addr=${host}`, `addr=${address}`);
  } catch (error) {
    throw internal(`error resolving passed in network volume address: ${messageOf(error)}`, error);
  }
}

/** strerror(3) of a system call that failed. */
function reason(error: unknown): string {
  const text = error instanceof SystemError ? getSystemErrorMap().get(-error.errno)?.[1] : undefined;
  return text ?? messageOf(error);
}
