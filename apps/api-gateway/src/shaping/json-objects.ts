/** A document of the API while it is being shaped for another version. */
export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** `value` where it is an object, else an empty one that is tied to nothing. */
export const objectOr = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** Parses, lets `shape` change the object in place, and writes it again. */
export function reshape(json: Buffer, shape: (document: JsonObject) => void): Buffer {
  const document = JSON.parse(json.toString('utf8')) as JsonObject;
  shape(document);
  return Buffer.from(JSON.stringify(document));
}

/** The same for each object of a list. */
export function reshapeEach(json: Buffer, shape: (element: JsonObject) => void): Buffer {
  const list = JSON.parse(json.toString('utf8')) as JsonObject[];
  list.forEach(shape);
  return Buffer.from(JSON.stringify(list));
}

/** Adds what is missing. */
export function fillIn(document: JsonObject, defaults: JsonObject): void {
  for (const [name, value] of Object.entries(defaults)) document[name] ??= value;
}
