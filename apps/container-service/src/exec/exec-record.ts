import type { Struct } from '@gantry/shared/documents';

/** API: ExecConfig, what a client asks for. */
export interface ExecConfig {
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  AttachStderr?: boolean;
  /** [rows, columns] */
  ConsoleSize?: [number, number] | null;
  DetachKeys?: string;
  Tty?: boolean;
  Env?: string[] | null;
  Cmd?: string[] | null;
  Privileged?: boolean;
  User?: string;
  WorkingDir?: string;
}

export const EXEC_CREATE_REQUEST: Struct = {
  struct: 'container.ExecCreateRequest',
  fields: {
    AttachStdin: 'bool',
    AttachStdout: 'bool',
    AttachStderr: 'bool',
    ConsoleSize: { list: 'int' },
    DetachKeys: 'string',
    Tty: 'bool',
    Env: { list: 'string' },
    Cmd: { list: 'string' },
    Privileged: 'bool',
    User: 'string',
    WorkingDir: 'string',
  },
};

/** The processes of an exec that was started, so named that a recycled pid is never taken for one of them. */
export interface ExecProcess {
  /** On the host. */
  pid: number;
  monitorPid: number;
  monitorStartTime: number;
  bootId: string;
}

/** An exec as it is known in memory, and once started as `execs/<container id>/<exec id>/exec.json`. */
export interface ExecRecord {
  /** 64 hex digits. */
  id: string;
  containerId: string;
  config: ExecConfig;
  process?: ExecProcess;
  running: boolean;
  /** Set when it ended or could not begin. */
  exitCode?: number;
}

/** How the events of an exec name it: `exec_start: sh -c true`. */
export function commandLine({ config }: ExecRecord): string {
  const [program = '', ...args] = config.Cmd ?? [];
  return `${program} ${args.join(' ')}`;
}

/** API: ExecInspectResponse. */
export function execDocument(record: ExecRecord, detachKeys: Buffer): object {
  const { config } = record;
  const [entrypoint = '', ...args] = config.Cmd ?? [];
  return {
    ID: record.id,
    Running: record.running,
    ExitCode: record.exitCode ?? null,
    ProcessConfig: {
      tty: config.Tty ?? false,
      entrypoint,
      arguments: args,
      privileged: config.Privileged ?? false,
      ...(config.User ? { user: config.User } : {}),
      ...(config.WorkingDir ? { workingDir: config.WorkingDir } : {}),
    },
    OpenStdin: config.AttachStdin ?? false,
    OpenStderr: config.AttachStderr ?? false,
    OpenStdout: config.AttachStdout ?? false,
    CanRemove: false,
    ContainerID: record.containerId,
    DetachKeys: detachKeys.toString('base64'),
    Pid: record.process?.pid ?? 0,
  };
}
