import { createServer, type RequestListener, type Server } from 'node:http';
import { AbstractHttpAdapter } from '@nestjs/core';
import { sendDocument } from '../streaming/document';
import { apiVersionMiddleware } from './api-version';
import type { NextFunction, Request, Response } from './http-messages';
import { RouteTable } from './route-table';

type Handler = (request: Request, response: Response, next: NextFunction) => unknown;
type ErrorHandler = (error: unknown, request: Request, response: Response, next: NextFunction) => unknown;

/**
 * Nest on Node's own HTTP, as the Engine API wants it: what a controller returns is an API document, as bytes (sent
 * untouched) or as an object (sent as JSON); nothing means an empty answer. Without Express: see ADR 0042.
 */
export class EngineHttpAdapter extends AbstractHttpAdapter<Server, Request, Response> {
  private readonly steps: Handler[] = [apiVersionMiddleware];
  private notFound: Handler = unset;
  private failed: ErrorHandler = unset;

  /** Answers requests from wherever they come. */
  readonly listener: RequestListener = (request, response) => this.handle(request as Request, response);

  constructor(private readonly routes = new RouteTable<Handler>()) {
    const add = (method?: string) => (pattern: string, handler: Handler) =>
      routes.add(method, pattern, handler);
    super({
      get: add('GET'),
      head: add('HEAD'),
      post: add('POST'),
      put: add('PUT'),
      delete: add('DELETE'),
      all: add(),
    });
  }

  /** `step` comes before every controller; it answers, or goes on. */
  override use(step: Handler): void {
    this.steps.push(step);
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

  override status(response: Response, statusCode: number): void {
    response.statusCode = statusCode;
  }

  override end(response: Response, message?: string): void {
    response.end(message);
  }

  override isHeadersSent = (response: Response): boolean => response.headersSent;
  override getHeader = (response: Response, name: string) => response.getHeader(name);
  override setHeader = (response: Response, name: string, value: string) => response.setHeader(name, value);
  override appendHeader = (response: Response, name: string, value: string) =>
    response.appendHeader(name, value);
  override getRequestHostname = (request: Request): string => request.headers.host ?? '';
  override getRequestMethod = (request: Request): string => request.method;
  override getRequestUrl = (request: Request): string => request.url;
  override getType = (): string => 'engine';

  override setNotFoundHandler(handler: Handler): void {
    this.notFound = handler;
  }

  override setErrorHandler(handler: ErrorHandler): void {
    this.failed = handler;
  }

  /** Nest wants one; the listeners have their own (`listen/`). */
  override initHttpServer(): void {
    this.httpServer = createServer();
  }

  override close(): void {}

  override useStaticAssets = unset;
  override setViewEngine = unset;
  override render = unset;
  override redirect = unset;
  override registerParserMiddleware = unset;
  override enableCors = unset;
  override createMiddlewareFactory = unset;
  override applyVersionFilter = unset;

  private handle(request: Request, response: Response): void {
    let at = 0;
    const next: NextFunction = (error) => {
      if (error !== undefined) {
        this.failed(error, request, response, next);
        return;
      }
      const step = this.steps[at++];
      if (step) step(request, response, next);
      else this.dispatch(request, response, next);
    };
    next();
  }

  private dispatch(request: Request, response: Response, next: NextFunction): void {
    const query = request.url.indexOf('?');
    const path = query < 0 ? request.url : request.url.slice(0, query);
    try {
      const found = this.routes.find(request.method, path);
      request.params = found?.params ?? {};
      request.route = found?.pattern;
      (found?.handler ?? this.notFound)(request, response, next);
    } catch (error) {
      next(error);
    }
  }
}

/** What Nest offers and this application has no use for. */
function unset(): never {
  throw new Error('not a part of the Engine API');
}
