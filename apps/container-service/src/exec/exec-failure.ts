import { EngineError, internal, messageOf } from '@gantry/shared/errors';
import { RuntimeCreateError } from '../runtime/conmon';
import { startFailure, type StartFailure } from '@gantry/shared/oci';

const PREFIX = 'OCI runtime exec failed: exec failed: unable to start container process: ';
/** dockerd's, for whatever is not about the program. */
const CANNOT_INVOKE = 126;

/** Why an exec did not start, in dockerd's words, with the exit code that its inspect shows. */
export function execFailure(error: unknown, args: readonly string[]): StartFailure {
  if (error instanceof RuntimeCreateError) return startFailure(error.message, args, PREFIX);
  return {
    error: error instanceof EngineError ? error : internal(messageOf(error), error),
    exitCode: CANNOT_INVOKE,
  };
}
