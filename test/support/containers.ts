import { request } from 'node:http';
import { api } from './engine';
import { splitFrames, type EngineClient } from './engine-client';

interface Wanted {
  name?: string;
  cmd?: string[];
  config?: Record<string, unknown>;
  host?: Record<string, unknown>;
}

let sequence = 0;

/** A name that no other test uses. */
export const freshName = (what: string): string => `${what}-${process.pid.toString(36)}-${(sequence += 1)}`;

/** Creates a container of busybox; its id. @throws the engine's message */
export async function createContainer(wanted: Wanted, engine: EngineClient = api): Promise<string> {
  const query = wanted.name ? `?name=${wanted.name}` : '';
  const { status, body, text } = await engine.post<{ Id: string }>(`/containers/create${query}`, {
    Image: 'busybox',
    Cmd: wanted.cmd ?? ['sleep', '300'],
    ...wanted.config,
    HostConfig: wanted.host ?? {},
  });
  if (status !== 201) throw new Error(`create: ${status} ${text}`);
  return body.Id;
}

export async function startContainer(wanted: Wanted, engine: EngineClient = api): Promise<string> {
  const id = await createContainer(wanted, engine);
  const { status, text } = await engine.post(`/containers/${id}/start`);
  if (status !== 204) throw new Error(`start: ${status} ${text}`);
  return id;
}

/** Runs to its end: exit code and what it wrote. */
export async function runContainer(
  wanted: Wanted,
): Promise<{ id: string; code: number; stdout: string; stderr: string }> {
  const id = await startContainer(wanted);
  const { body } = await api.post<{ StatusCode: number }>(`/containers/${id}/wait`);
  const raw = await rawGet(`/containers/${id}/logs?stdout=1&stderr=1`);
  return { id, code: body.StatusCode, ...splitFrames(raw) };
}

export const removeContainer = (id: string) => api.delete(`/containers/${id}?force=1&v=1`);

export async function inspect(id: string): Promise<Inspected> {
  return (await api.get<Inspected>(`/containers/${id}/json`)).body;
}

/** What the tests look at (API: ContainerInspectResponse). */
export interface Inspected {
  Id: string;
  Name: string;
  RestartCount: number;
  ExecIDs: string[] | null;
  State: {
    Status: string;
    Running: boolean;
    OOMKilled: boolean;
    Pid: number;
    ExitCode: number;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  Mounts: { Type: string; Name?: string; Source: string; Destination: string; RW: boolean }[];
  NetworkSettings: {
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
    Networks: Record<string, { IPAddress: string; Gateway: string; IPv6Gateway: string }>;
  };
}

function rawGet(path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    request({ socketPath: api.socketPath, path }, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.once('end', () => resolve(Buffer.concat(parts)));
      incoming.once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}
