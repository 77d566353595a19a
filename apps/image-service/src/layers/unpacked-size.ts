import { invalidArgument } from '@gantry/shared/errors';
import type { LayerLimits } from '../image-settings';

/** What a small archive may be compressed by is nobody's business. Bytes. */
const RATIO_COUNTS_FROM = 256 * 1024 * 1024;

/** `unpacked` bytes so far, made of `packed` ones. @throws InvalidArgument when `what` is too large or a decompression bomb */
export function checkUnpackedSize(
  what: string,
  unpacked: number,
  packed: number,
  { maxBytes, maxRatio }: Pick<LayerLimits, 'maxBytes' | 'maxRatio'>,
): void {
  if (unpacked > maxBytes) {
    throw invalidArgument(
      `${what} is too large: more than ${maxBytes} bytes unpacked (GANTRY_LAYER_MAX_BYTES)`,
    );
  }
  if (unpacked > RATIO_COUNTS_FROM && unpacked > packed * maxRatio) {
    throw invalidArgument(
      `${what} is compressed more than ${maxRatio} to 1, which looks like a decompression bomb (GANTRY_LAYER_MAX_RATIO)`,
    );
  }
}
