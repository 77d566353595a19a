import type { IncomingMessage } from 'node:http';
import { readBytes } from './json-body';

/** Routes whose body is something of its own, whatever its type is called. */
const OWN_BODY = /\/(?:build|attach|session|grpc|images\/load|images\/create)$/;

/**
 * The parameters in the body of a POST, as `curl -d t=5` sends them; Go's ParseForm takes them before those of the
 * query. Empty where there are none.
 */
export async function readFormBody(request: IncomingMessage): Promise<string> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (request.method !== 'POST' || type !== 'application/x-www-form-urlencoded') return '';
  if (OWN_BODY.test((request.url ?? '').replace(/\?.*$/s, ''))) return '';
  return (await readBytes(request)).toString('utf8');
}
