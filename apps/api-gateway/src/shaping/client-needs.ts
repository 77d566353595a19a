import type { JsonObjectBody } from '../routing/json-body';
import { objectOr } from './json-objects';

const DOCKER_PY = /^docker-sdk-python\//;

/** docker-py reads its socket's head for so long at the most, on a machine that is busy. Milliseconds. */
const HEAD_READ_MS = 25;

/**
 * docker-py reads the head of a raw stream through a buffer and goes on with the bare socket: output that comes along with the
 * head would be lost to it. How long to wait after the head; milliseconds.
 */
export const pauseAfterHead = (userAgent: string | undefined): number =>
  DOCKER_PY.test(userAgent ?? '') ? HEAD_READ_MS : 0;

/**
 * docker-py's `containers.run` gives back what a container printed only where its log driver is `json-file` or `journald`, of
 * which Docker's default is one and ours (`local`, ADR 0014) is not. Its containers get the former unless it names a driver.
 */
export function withLogDriverOf(userAgent: string | undefined, body: JsonObjectBody): JsonObjectBody {
  if (!DOCKER_PY.test(userAgent ?? '')) return body;
  const host = objectOr(body.document['HostConfig']);
  const log = objectOr(host['LogConfig']);
  if (log['Type']) return body;
  const document = {
    ...body.document,
    HostConfig: { ...host, LogConfig: { ...log, Type: 'json-file' } },
  };
  return { document, bytes: Buffer.from(JSON.stringify(document)) };
}
