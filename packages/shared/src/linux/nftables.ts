import { NativeLibrary, NativeValue } from './native';

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

/** nft(8) through libnftables, in the network namespace of the calling thread. */
export interface Nftables {
  /** Whether libnftables.so.1 is on this host. */
  available(): boolean;
  /** Runs an nft program as one transaction: all of it takes effect, or none and an NftablesError is thrown. */
  run(commands: string): void;
  /** The parsed JSON answer (libnftables-json(5)) of `list` commands. */
  query(commands: string): unknown;
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

export class LibNftables implements Nftables {
  available(): boolean {
    return library.available();
  }

  run(commands: string): void {
    this.execute(commands, 0);
  }

  query(commands: string): unknown {
    const output = this.execute(commands, NFT_CTX_OUTPUT_JSON);
    return output === '' ? { nftables: [] } : (JSON.parse(output) as unknown);
  }

  /** A context holds a netlink socket, hence a namespace: a new one each time is always in the right one. */
  private execute(commands: string, outputFlags: number): string {
    const context = newContext(0);
    if (context === null) throw new NftablesError('libnftables gave no context', commands);
    try {
      bufferOutput(context);
      bufferError(context);
      setOutputFlags(context, outputFlags);
      if (runBuffer(context, commands) !== 0) {
        throw new NftablesError(
          (errorBuffer(context) ?? '').trim() || 'nftables refused the commands',
          commands,
        );
      }
      return outputBuffer(context) ?? '';
    } finally {
      freeContext(context);
    }
  }
}
