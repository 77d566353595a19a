import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Output } from '@gantry/proto/common';
import type { AttachResponse } from '@gantry/proto/container';
import { writeMessage } from '@gantry/shared/grpc';
import { DetachKeyMatcher } from './detach-keys';
import type { ProcessStreams } from './process-streams';

/** How a client's input is to be treated. */
export interface StdinTreatment {
  tty: boolean;
  /** The end of the input is the end of the process's stdin; otherwise it ends the attachment, as with dockerd. */
  closesStdin: boolean;
  /** Looked for with a terminal only. */
  detachKeys: Buffer;
}

export interface Attachment {
  output: AsyncIterable<Output>;
  /** Ends `output`. */
  leave: () => void;
  /** The process; undefined where there will never be one. */
  streams: Promise<ProcessStreams | undefined>;
  /** Absent: the client's input is ignored. */
  stdin?: { treatment: StdinTreatment; data: AsyncIterable<Buffer> };
}

/** Moves bytes between a call and a process until the output ends, the client leaves or types the detach keys. */
export async function serveAttachment<Request>(
  call: ServerDuplexStream<Request, AttachResponse>,
  attachment: Attachment,
): Promise<'ended' | 'detached'> {
  let detached = false;
  const { stdin } = attachment;
  const leave = (): void => {
    if (stdin?.treatment.closesStdin) void attachment.streams.then((streams) => streams?.closeStdin());
    attachment.leave();
  };
  if (call.cancelled) leave();
  call.on('cancelled', leave);
  if (stdin) {
    void forwardInput(stdin.data, stdin.treatment, attachment.streams).then((end) => {
      detached = end === 'detached';
      if (detached || !stdin.treatment.closesStdin) attachment.leave();
    });
  }
  try {
    for await (const value of attachment.output) {
      if (!(await writeMessage(call, { message: { $case: 'output', value } }))) break;
    }
  } finally {
    call.removeListener('cancelled', leave);
    attachment.leave();
  }
  return detached ? 'detached' : 'ended';
}

async function forwardInput(
  data: AsyncIterable<Buffer>,
  treatment: StdinTreatment,
  process: Promise<ProcessStreams | undefined>,
): Promise<'ended' | 'detached'> {
  const matcher = treatment.tty ? new DetachKeyMatcher(treatment.detachKeys) : undefined;
  try {
    for await (const typed of data) {
      const { pass, detached } = matcher?.push(typed) ?? { pass: typed, detached: false };
      if (pass.length > 0) await (await process)?.write(pass);
      if (detached) return 'detached';
    }
  } catch {
    // The client is gone in the middle of its input: the same as its end.
  }
  const streams = await process;
  const rest = matcher?.rest();
  if (rest?.length) await streams?.write(rest);
  if (treatment.closesStdin) streams?.closeStdin();
  return 'ended';
}
