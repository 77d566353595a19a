import { chownSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { LINUX, type Linux, MountFlag } from '@gantry/shared/linux';
import type { OciMount } from '@gantry/shared/oci';
import type { RunMount } from '../../dockerfile/dockerfile';
import { openAgentSocket } from '../session/agent-socket';
import type { ClientSession } from '../session/client-session';
import type { StepDirectory } from '../step-directories';
import type { MountPart, OpenMounts } from './run-mounts';

const SECRETS = '/run/secrets';
const AGENTS = '/run/buildkit/ssh_agent';
export const AGENT_VARIABLE = 'SSH_AUTH_SOCK';
const DEFAULT_AGENT = 'default';
/** Bytes: BuildKit's clients refuse larger secrets. */
const LARGEST_SECRET = 500 * 1024;
const SPECIAL = ['nosuid', 'noexec', 'nodev'];

/**
 * What a RUN gets from the client of the build: secrets and connections to SSH agents. They are asked for only when the
 * command runs, lie in memory alone, and are no part of the step's key.
 */
@Injectable()
export class SessionMounts {
  constructor(@Inject(LINUX) private readonly linux: Pick<Linux, 'mounts'>) {}

  secret(mount: RunMount, workingDirectory: string, session: ClientSession): MountPart {
    const { env, uid = 0, gid = 0, mode = 0o400 } = mount;
    const id = mount.id || mount.source || posix.basename(mount.target);
    const wanted = mount.target || (env === '' ? posix.join(SECRETS, posix.basename(id)) : '');
    const target = wanted === '' ? undefined : posix.resolve('/', workingDirectory, wanted);
    return {
      inputs: { secret: id, target, env },
      open: async (step, name) => {
        const value = await session.secret(id);
        if (!value && mount.required) throw invalidArgument(`secret ${id}: not found`);
        if (!value) return nothing;
        if (value.length > LARGEST_SECRET) throw invalidArgument(`invalid secret size ${value.length}`);
        return {
          ...nothing,
          environment: env === '' ? [] : [`${env}=${value.toString()}`],
          mounts: target === undefined ? [] : [this.file(step, name, value, { target, uid, gid, mode })],
        };
      },
    };
  }

  /** `position`: among the agents of the RUN, from 0. */
  agent(mount: RunMount, position: number, workingDirectory: string, session: ClientSession): MountPart {
    const { uid = 0, gid = 0, mode = 0o600 } = mount;
    const id = mount.id || mount.source || DEFAULT_AGENT;
    const target = posix.resolve('/', workingDirectory, mount.target || `${AGENTS}.${position}`);
    return {
      inputs: { agent: id, target },
      open: async (step, name) => {
        try {
          await session.checkAgent(id);
        } catch (error) {
          if (mount.required) throw error;
          return nothing;
        }
        const path = join(step.path, name);
        const close = await openAgentSocket(session, { path, id, uid, gid, mode });
        return {
          mounts: [bind(path, target, [])],
          environment: position === 0 ? [`${AGENT_VARIABLE}=${target}`] : [],
          close: async () => close(),
        };
      },
    };
  }

  /** A directory of a step that is in memory, for root. */
  inMemory(step: StepDirectory, name: string): string {
    const path = join(step.path, name);
    mkdirSync(path, { mode: 0o700 });
    const flags = MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC;
    this.linux.mounts.mount('tmpfs', path, 'tmpfs', flags, 'mode=0700');
    step.mounts.push(path);
    return path;
  }

  private file(
    step: StepDirectory,
    name: string,
    value: Buffer,
    { target, uid, gid, mode }: { target: string; uid: number; gid: number; mode: number },
  ): OciMount {
    const path = join(this.inMemory(step, name), 'secret');
    const fd = openSync(path, 'wx', mode);
    try {
      writeFileSync(fd, value);
    } finally {
      closeSync(fd);
    }
    chownSync(path, uid, gid);
    return bind(path, target, ['ro']);
  }
}

const nothing: OpenMounts = { mounts: [], environment: [], close: async () => {} };

const bind = (source: string, destination: string, options: string[]): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', ...SPECIAL, ...options],
});
