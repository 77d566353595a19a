import { EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';

/** What is wrong, without where. */
export class SyntaxFailure extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('InvalidArgument', message, options);
  }
}

/** dockerd's words with the file's name before them. `line` from 1. */
export function parseFailure(file: string, line: number, cause: unknown): EngineError {
  return invalidArgument(
    `failed to parse ${file}: dockerfile parse error on line ${line}: ${messageOf(cause)}`,
    cause,
  );
}
