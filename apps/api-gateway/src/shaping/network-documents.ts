import type { JsonObjectBody } from '../routing/json-body';
import { reshape } from './json-objects';

/** The body of POST /networks/create. A network without IPv4 came with 1.48. */
export function normalizeNetworkCreate(body: JsonObjectBody, minor: number): Buffer {
  if (minor >= 48 || !('EnableIPv4' in body.document)) return body.bytes;
  return Buffer.from(JSON.stringify({ ...body.document, EnableIPv4: undefined }));
}

/** GET /networks/{id} */
export function shapeNetworkInspect(json: Buffer, minor: number): Buffer {
  if (minor >= 52 || !json.includes('"Status"')) return json;
  return reshape(json, (network) => delete network['Status']);
}
