/** An API document as JsonDocument carries it. */
export const toJson = (value: unknown): { json: Buffer } => ({ json: Buffer.from(JSON.stringify(value)) });

export const fromJson = <T>(document: { json: Buffer } | Buffer): T =>
  JSON.parse((Buffer.isBuffer(document) ? document : document.json).toString('utf8')) as T;
