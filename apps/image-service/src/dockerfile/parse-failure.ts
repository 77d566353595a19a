import { EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';

/** What is wrong, without where. */
export class SyntaxFailure extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('InvalidArgument', message, options);
  }
}

/** In dockerd's words. `line` from 1. */
export function parseFailure(line: number, cause: unknown): EngineError {
  return invalidArgument(`dockerfile parse error on line ${line}: ${messageOf(cause)}`, cause);
}
