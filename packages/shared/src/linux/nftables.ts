import { closeSync, openSync } from 'node:fs';
import { NativeLibrary, NativeValue } from './native';
import { type NftablesChange, type NftablesMonitor, openNftablesMonitor } from './nftables-monitor';

/** A rejected nftables program. The message is libnftables' own, with the place it points at. */
export class NftablesError extends Error {
  constructor(
    message: string,
    readonly commands: string,
  ) {
    super(message);
    this.name = 'NftablesError';
  }
}

/** nft(8) through libnftables, in one network namespace. */
export interface NftablesSession {
  /** Runs an nft program as one transaction: all of it takes effect, or none and an NftablesError is thrown. */
  run(commands: string): void;
  /** The parsed JSON answer (libnftables-json(5)) of `list` commands. */
  query(commands: string): unknown;
}

export interface KeptNftables extends NftablesSession {
  close(): void;
}

/** Its own `run` and `query` work in the namespace that the calling thread is in at the time. */
export interface Nftables extends NftablesSession {
  /** Whether libnftables.so.1 is on this host. */
  available(): boolean;
  /**
   * A session bound for its life to the namespace of the calling thread. Worth keeping: ending one after something was
   * deleted waits for the kernel to forget it (16 ms), and a transaction of a kept one takes 0.06 ms.
   */
  open(): KeptNftables;
  /** Tells of every transaction in the namespace that the calling thread is in, until it is closed. */
  monitor(listener: (change: NftablesChange) => void): NftablesMonitor;
}

const library = new NativeLibrary('libnftables.so.1');
const newContext = library.declare<NativeValue>('void *nft_ctx_new(uint32_t flags)');
const freeContext = library.declare<void>('void nft_ctx_free(void *context)');
const bufferOutput = library.declare('int nft_ctx_buffer_output(void *context)');
const bufferError = library.declare('int nft_ctx_buffer_error(void *context)');
const outputBuffer = library.declare<string | null>('const char *nft_ctx_get_output_buffer(void *context)');
const errorBuffer = library.declare<string | null>('const char *nft_ctx_get_error_buffer(void *context)');
const setOutputFlags = library.declare<void>(
  'void nft_ctx_output_set_flags(void *context, unsigned int flags)',
);
const runBuffer = library.declare('int nft_run_cmd_from_buffer(void *context, const char *commands)');

const NFT_CTX_OUTPUT_JSON = 1 << 4;
const FD_SETSIZE = 1024;

export class LibNftables implements Nftables {
  available(): boolean {
    return library.available();
  }

  open(): KeptNftables {
    const context = new NftablesContext();
    lowDescriptor.restore();
    return context;
  }

  monitor(listener: (change: NftablesChange) => void): NftablesMonitor {
    return openNftablesMonitor(listener);
  }

  run(commands: string): void {
    this.once((context) => context.run(commands));
  }

  query(commands: string): unknown {
    return this.once((context) => context.query(commands));
  }

  /** A context holds a netlink socket, hence a namespace: a new one each time is always in the right one. */
  private once<T>(action: (context: NftablesContext) => T): T {
    const context = new NftablesContext();
    try {
      return action(context);
    } finally {
      context.close();
    }
  }
}

/**
 * libnftables waits with select(2), which aborts the process for a descriptor of 1024 or more. So a low one is kept back
 * for whoever needs a context next, however many are open by then.
 */
class LowDescriptor {
  private spare?: number;

  /** Runs what opens one descriptor; it gets the spare's number. */
  lend<T>(open: () => T): T {
    this.restore();
    const spare = this.spare;
    if (spare === undefined) throw new NftablesError('too many open files for libnftables', '');
    closeSync(spare);
    this.spare = undefined;
    return open();
  }

  /** To be called as soon as a low number is free again. */
  restore(): void {
    if (this.spare !== undefined) return;
    const lowest = openSync('/dev/null', 'r');
    if (lowest < FD_SETSIZE) this.spare = lowest;
    else closeSync(lowest);
  }
}

const lowDescriptor = new LowDescriptor();

class NftablesContext implements KeptNftables {
  private readonly context: NativeValue;

  constructor() {
    this.context = lowDescriptor.lend(() => newContext(0));
    if (this.context === null) throw new NftablesError('libnftables gave no context', '');
    bufferOutput(this.context);
    bufferError(this.context);
  }

  run(commands: string): void {
    this.execute(commands, 0);
  }

  query(commands: string): unknown {
    const output = this.execute(commands, NFT_CTX_OUTPUT_JSON);
    return output === '' ? { nftables: [] } : (JSON.parse(output) as unknown);
  }

  close(): void {
    freeContext(this.context);
    lowDescriptor.restore();
  }

  private execute(commands: string, outputFlags: number): string {
    setOutputFlags(this.context, outputFlags);
    const failed = runBuffer(this.context, commands) !== 0;
    // Both are read always: what is left in them would be said with the next commands.
    const output = outputBuffer(this.context) ?? '';
    const complaint = (errorBuffer(this.context) ?? '').trim();
    if (failed) throw new NftablesError(complaint || 'nftables refused the commands', commands);
    return output;
  }
}
