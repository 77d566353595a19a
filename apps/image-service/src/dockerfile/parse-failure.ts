import { EngineError, messageOf } from '@gantry/shared/errors';

/** What is wrong, without where. */
export class SyntaxFailure extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('InvalidArgument', message, options);
  }
}

/** The same, in dockerd's words. */
export class ParseFailure extends EngineError {
  /** `line` from 1. */
  constructor(
    readonly line: number,
    cause: unknown,
  ) {
    super('InvalidArgument', `dockerfile parse error on line ${line}: ${messageOf(cause)}`, { cause });
  }
}

export const parseFailure = (line: number, cause: unknown): EngineError => new ParseFailure(line, cause);
