import { ExpressAdapter } from '@nestjs/platform-express';
import type { Response } from 'express';
import { sendDocument } from '../streaming/document';
import { apiVersionMiddleware } from './api-version';

/**
 * Express as the Engine API wants it: what a controller returns is an API document, as bytes (sent untouched) or as an
 * object (sent as JSON); nothing means an empty answer.
 */
export class EngineHttpAdapter extends ExpressAdapter {
  constructor() {
    super();
    this.instance.disable('x-powered-by');
    this.instance.disable('etag');
    this.instance.set('query parser', false);
    this.use(apiVersionMiddleware);
  }

  override reply(response: Response, body: unknown, statusCode?: number): void {
    if (statusCode !== undefined) response.statusCode = statusCode;
    if (body === undefined || body === null) {
      if (response.statusCode !== 204 && response.statusCode !== 304) response.setHeader('Content-Length', 0);
      response.end();
      return;
    }
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(`${JSON.stringify(body)}\n`);
    sendDocument(response, bytes);
  }
}
