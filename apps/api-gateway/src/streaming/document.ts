import type { Response } from '../routing/http-messages';

/** Answers with an API document, byte for byte. */
export function sendDocument(response: Response, json: Buffer): void {
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', json.length);
  response.end(json);
}
