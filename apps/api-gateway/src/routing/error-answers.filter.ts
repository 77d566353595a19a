import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import { EngineError, httpStatusOf, messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { Request, Response } from './http-messages';

/** The one place where an error becomes an HTTP answer: `{"message": ...}` with the status of its kind. */
@Catch()
export class ErrorAnswers implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    // A body that broke off: nobody is there to be told.
    if (host.switchToHttp().getRequest<Request>().errored) {
      response.destroy();
      return;
    }
    const { status, message } = this.answer(error);
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    response.statusCode = status;
    if (status === 304) {
      response.end();
      return;
    }
    const body = Buffer.from(`${JSON.stringify({ message })}\n`);
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Content-Length', body.length);
    response.end(body);
  }

  private answer(error: unknown): { status: number; message: string } {
    if (error instanceof EngineError) return { status: httpStatusOf(error), message: error.message };
    if (error instanceof HttpException) {
      // Nest's own: a route that does not exist.
      return error.getStatus() === 404
        ? { status: 404, message: 'page not found' }
        : { status: error.getStatus(), message: error.message };
    }
    if (error instanceof URIError) return { status: 400, message: messageOf(error) };
    this.logger.error({ err: error }, 'request failed');
    return { status: 500, message: messageOf(error) };
  }
}
