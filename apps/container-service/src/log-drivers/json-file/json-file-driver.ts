import { invalidArgument } from '@gantry/shared/errors';
import type { HeldLines } from '../line-assembler';
import { ATTRIBUTE_OPTIONS, checkAttributeOptions, logAttributes } from '../log-attributes';
import type { LogDriver, LogSink, SinkContext } from '../log-driver';
import { checkTag } from '../log-tag';
import { type LogOptions, parseBool, parseInteger, parseSize } from '../option-values';
import { JsonLineEncoder } from './json-line-encoder';
import { type JsonFileCap, JsonLogFile, type JsonFileMark } from './json-log-file';

const OPTIONS = ['max-size', 'max-file', 'compress', ...ATTRIBUTE_OPTIONS];

/** dockerd's json-file: one JSON object a line, at LogPath, for log shippers to read. */
export const jsonFileDriver: LogDriver = {
  check(options) {
    for (const name of Object.keys(options)) {
      if (!OPTIONS.includes(name))
        throw invalidArgument(`unknown log opt '${name}' for json-file log driver`);
    }
    capOf(options);
    checkAttributeOptions(options);
    checkTag(options['tag'] ?? '');
  },

  async open(context, state) {
    const { held, mark } = (state ?? {}) as Partial<JsonFileState>;
    const file = new JsonLogFile(context.jsonPath, capOf(context.options), context.rotated);
    const written = await file.open(mark);
    return new JsonFileSink(context, file, new JsonLineEncoder(logAttributes(context.record), held), written);
  },
};

interface JsonFileState {
  held: HeldLines;
  mark: JsonFileMark;
}

class JsonFileSink implements LogSink {
  /** `written`: how much of what the encoder says first is in the file already. */
  constructor(
    private readonly context: SinkContext,
    private readonly file: JsonLogFile,
    private readonly encoder: JsonLineEncoder,
    private written: number,
  ) {}

  async take(block: Buffer): Promise<void> {
    const held = this.encoder.held();
    await this.append(this.encoder.encode(block), held);
  }

  async runEnded(): Promise<void> {
    const held = this.encoder.held();
    await this.append(this.encoder.end(), held);
  }

  state(): JsonFileState {
    return { held: this.encoder.held(), mark: this.file.mark() };
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async append(lines: Buffer, held: HeldLines): Promise<void> {
    const skipped = Math.min(this.written, lines.length);
    this.written -= skipped;
    await this.file.append(lines.subarray(skipped), (written) => {
      const state: JsonFileState = { held, mark: this.file.mark(skipped + written) };
      this.context.checkpoint(state);
    });
  }
}

function capOf(options: LogOptions): JsonFileCap {
  const size = options['max-size'];
  const maxSize = size === undefined ? undefined : parseSize(size, 1000);
  if (maxSize !== undefined && maxSize <= 0) throw invalidArgument('max-size must be a positive number');
  const maxFiles = options['max-file'] === undefined ? 1 : parseInteger(options['max-file']);
  if (maxFiles < 1) throw invalidArgument('max-file cannot be less than 1');
  const compress = options['compress'] !== undefined && parseBool(options['compress']);
  if (compress && (maxFiles < 2 || maxSize === undefined)) {
    throw invalidArgument('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { maxSize, maxFiles, compress };
}
