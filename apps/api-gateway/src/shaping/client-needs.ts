import type { JsonObjectBody } from '../routing/json-body';
import { objectOr } from './json-objects';

const DOCKER_PY = /^docker-sdk-python\//;

/**
 * docker-py reads the head of a raw stream through a buffer and goes on with the bare socket: output that comes along with the
 * head is lost to it.
 */
export const losesBytesBehindHead = (userAgent: string | undefined): boolean =>
  DOCKER_PY.test(userAgent ?? '');

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
