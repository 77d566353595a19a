import { Metadata, status } from '@grpc/grpc-js';
import type { Position, SourceInfo } from '@gantry/proto/buildkit';
import { type Detail, Status } from '@gantry/proto/frontend';
import { EngineError, messageOf } from '@gantry/shared/errors';

/** Lines of a Dockerfile, from 1. */
export interface DockerfileRange {
  line: number;
  endLine: number;
}

/** Go's name of a message that BuildKit's clients read as JSON (BuildKit, solver/errdefs). */
const SOURCE = 'github.com/moby/buildkit/errdefs.Source+json';

/** What a build has failed with, and what else its client is told: `google.rpc.Status.details`. */
export class BuildFailure extends EngineError {
  constructor(
    cause: unknown,
    readonly details: Detail[],
  ) {
    const kind = cause instanceof EngineError ? cause.kind : 'Internal';
    super(kind, messageOf(cause), { cause });
  }
}

export const sourceInfo = ({ name, text }: { name: string; text: string }): SourceInfo => ({
  filename: name,
  data: Buffer.from(text),
  language: 'Dockerfile',
});

/** The error with the lines of the Dockerfile that it is about. */
export function failureAt(
  error: unknown,
  source: SourceInfo | undefined,
  failed: DockerfileRange | undefined,
): unknown {
  if (!source || !failed) return error;
  const range = { start: position(failed.line), end: position(failed.endLine) };
  const info = { ...source, data: source.data.toString('base64') };
  const value = { info, ranges: [range] };
  return new BuildFailure(error, [{ typeUrl: SOURCE, value: Buffer.from(JSON.stringify(value)) }]);
}

const position = (line: number): Position => ({ line, character: 0 });

/** BuildKit's errors are UNKNOWN with their words, and with details in a trailer (grpc, "status details"). */
export function failedCall(error: unknown): { code: status; details: string; metadata: Metadata } {
  const code = status.UNKNOWN;
  const message = messageOf(error);
  const metadata = new Metadata();
  if (error instanceof BuildFailure && error.details.length > 0) {
    const { details } = error;
    metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message, details }).finish()));
  }
  return { code, details: message, metadata };
}
