import type { Response } from '../routing/http-messages';
import type { QueryParameters } from '../routing/query-parameters';
import { sendDocument } from './document';
import { sendJsonLines } from './json-lines';

const STREAMED_SINCE = 56;

/**
 * Answers a prune: with its document, or where the client asks for a stream (API 1.56) with a line for each thing that
 * went and the document as the last, as images/prune does.
 */
export async function sendPruned(
  response: Response,
  client: { query: QueryParameters; minor: number },
  pruned: Promise<{ json: Buffer }>,
): Promise<void> {
  if (client.minor >= STREAMED_SINCE && client.query.flag('stream')) {
    await sendJsonLines(response, linesOf(pruned));
    return;
  }
  sendDocument(response, Buffer.from(JSON.stringify(await pruneReport(pruned))));
}

/** Where nothing went, the list of it is null, as clients know it: of volumes alone it is not. */
export async function pruneReport(pruned: Promise<{ json: Buffer }>): Promise<Record<string, unknown>> {
  const document = JSON.parse((await pruned).json.toString()) as Record<string, unknown>;
  for (const [name, value] of Object.entries(document)) {
    if (Array.isArray(value) && value.length === 0 && name !== 'VolumesDeleted') document[name] = null;
  }
  return document;
}

async function* linesOf(pruned: Promise<{ json: Buffer }>): AsyncGenerator<{ json: Buffer }, undefined> {
  const document = await pruneReport(pruned);
  const gone = Object.values(document).flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : []));
  for (const id of gone) yield line({ id, status: 'Deleted' });
  yield line({ aux: document });
}

const line = (value: object): { json: Buffer } => ({ json: Buffer.from(JSON.stringify(value)) });
