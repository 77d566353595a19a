/**
 * libuv's stream handle, which node:net does not offer for descriptors it does not recognise. It is the one way to
 * have Node's event loop watch a descriptor of our own; everything that needs it goes through here.
 */
export interface PipeHandle {
  /** Takes the descriptor over and makes it non-blocking. Returns 0 or a negative errno. */
  open(fd: number): number;
  readStart(): number;
  readStop(): number;
  close(done?: () => void): void;
  ref(): void;
  unref(): void;
  /** Called with each chunk, and with undefined at the end or on an error. */
  onread: (chunk: ArrayBuffer | undefined) => void;
}

interface PipeWrap {
  Pipe: new (type: number) => PipeHandle;
}

const PIPE_SOCKET = 0;

export function newPipeHandle(): PipeHandle {
  const { binding } = process as unknown as { binding(name: 'pipe_wrap'): PipeWrap };
  return new (binding.call(process, 'pipe_wrap').Pipe)(PIPE_SOCKET);
}
