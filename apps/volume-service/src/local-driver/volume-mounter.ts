import { lookup } from 'node:dns/promises';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { internal, messageOf } from '@gantry/shared/errors';
import {
  LINUX,
  MountFlag,
  SystemError,
  systemErrorText,
  type Linux,
  type RunOptions,
} from '@gantry/shared/linux';
import { isOverTheNetwork, parseMountOptions, type ParsedMountOptions } from './local-options';

/** How long the program mount(8) may take. Milliseconds. */
const LONGEST_MS = 60_000;

/** Mounts what the options of a local volume say: `type`, `device` and `o`, as mount(8) takes them. */
@Injectable()
export class VolumeMounter {
  constructor(@Inject(LINUX) private readonly linux: Linux) {}

  /** @throws Internal in dockerd's words; a password in the options is not repeated. */
  async mount(mountpoint: string, options: Record<string, string>): Promise<void> {
    const { type = '', o = '', device = '' } = options;
    if (device === '') throw internal(failure(mountpoint, 'missing device in volume options'));
    const place = await resolveServer(type, device, o);
    try {
      if (isOverTheNetwork(options) || this.needsProgram(type, place.o))
        await this.runMount(mountpoint, type, place);
      else this.callMount(place.device, mountpoint, type, parseMountOptions(place.o));
    } catch (error) {
      const { data } = parseMountOptions(withoutPassword(place.o));
      const call = `mount ${place.device}:${mountpoint}${data ? `, data: ${data}` : ''}`;
      throw internal(failure(mountpoint, `failed to mount local volume: ${call}: ${reason(error)}`), error);
    }
  }

  /** mount(8) does more than the system call: it has a helper for the type, or sets up a loop device. */
  private needsProgram(type: string, o: string): boolean {
    const loop = o.split(',').some((word) => word === 'loop' || word.startsWith('loop='));
    return loop || this.linux.host.which(`mount.${type}`) !== undefined;
  }

  private async runMount(
    mountpoint: string,
    type: string,
    place: { device: string; o: string },
  ): Promise<void> {
    const helper = this.linux.host.which(`mount.${type}`) !== undefined;
    const { device, o } = helper ? forHelper(type, place) : place;
    const { argv, input } = mountCommand(type, device, mountpoint, o, helper);
    const { code, stderr, timedOut } = await this.linux.processes.run(argv, {
      ...input,
      timeoutMs: LONGEST_MS,
    });
    if (timedOut) {
      this.linux.mounts.detach(mountpoint);
      throw new Error(`no answer within ${LONGEST_MS / 1000} s`);
    }
    if (code === 0) return;
    const [line = ''] = stderr.trim().split('\n');
    throw new Error(line.replace(`mount: ${mountpoint}: `, '').replace(/\.$/, '') || `exit code ${code}`);
  }

  private callMount(device: string, mountpoint: string, type: string, parsed: ParsedMountOptions): void {
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

/** Of CIFS; a comma in it is written twice, as the kernel wants it. */
const PASSWORD = /(^|,)(?:pass|password)=((?:[^,]|,,)*)/;

const withoutPassword = (data: string): string => data.replace(PASSWORD, '$1password=********');

/** mount(8), and how it gets a password: what a program is called with is there for every user of the host to read. */
function mountCommand(
  type: string,
  device: string,
  mountpoint: string,
  o: string,
  helper: boolean,
): { argv: string[]; input: RunOptions } {
  const password = /^(cifs|smb3)$/.test(type) ? PASSWORD.exec(o)?.[2] : undefined;
  const call = (words: string): string[] => [
    ...['mount', '-t', type, ...(words ? ['-o', words] : [])],
    ...['--', device, mountpoint],
  ];
  if (password === undefined) return { argv: call(o), input: {} };
  if (helper) {
    const env = { PATH: process.env['PATH'] ?? '', PASSWD: password.replaceAll(',,', ',') };
    return { argv: call(o.replace(PASSWORD, '').replace(/^,/, '')), input: { env } };
  }
  const line = [device, mountpoint, type, o].map(inFstab).join(' ');
  return {
    argv: ['mount', '--fstab', '/proc/self/fd/0', mountpoint],
    input: { stdinFile: `${line} 0 0\n` },
  };
}

/** A field of fstab(5). */
const inFstab = (text: string): string =>
  text.replace(/[\s\\#]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** The kernel's NFS and CIFS clients want the server's address, not its name: `addr=` of the options, or CIFS's `//server/`. */
async function resolveServer(
  type: string,
  device: string,
  o: string,
): Promise<{ device: string; o: string }> {
  if (type !== 'nfs' && type !== 'cifs') return { device, o };
  const host = /(?:^|,)addr=([^,]+)/.exec(o)?.[1];
  if (host)
    return { device, o: isIPv4(host) ? o : o.replace(`addr=${host}`, `addr=${await addressOf(host)}`) };
  const server = type === 'cifs' ? /^\/\/([^/]+)/.exec(device)?.[1] : undefined;
  if (!server || isIP(server)) return { device, o };
  return { device: device.replace(`//${server}`, `//${await addressOf(server)}`), o };
}

/**
 * mount.nfs asks the server that the device names. That of `addr=` only the kernel knows what to do with, and dockerd, which calls it
 * directly, has taught everybody to write `device=:/path` and `o=addr=server`.
 */
function forHelper(
  type: string,
  { device, o }: { device: string; o: string },
): { device: string; o: string } {
  const words = o.split(',');
  const server = words.find((word) => word.startsWith('addr='))?.slice('addr='.length);
  if (!/^nfs4?$/.test(type) || !device.startsWith(':') || !server) return { device, o };
  return {
    device: `${isIPv6(server) ? `[${server}]` : server}${device}`,
    o: words.filter((word) => !word.startsWith('addr=')).join(','),
  };
}

async function addressOf(host: string): Promise<string> {
  try {
    // Of both families IPv4, as in dockerd.
    return (await lookup(host, { verbatim: false })).address;
  } catch (error) {
    throw internal(`error resolving passed in network volume address: ${messageOf(error)}`, error);
  }
}

/** strerror(3) of a system call that failed. */
function reason(error: unknown): string {
  return error instanceof SystemError ? systemErrorText(error) : messageOf(error);
}
