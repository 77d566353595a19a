import { invalidArgument } from '@gantry/shared/errors';

const DEFAULT_KEYS = 'ctrl-p,ctrl-q';

/** `ctrl-@` is 0, `ctrl-a` is 1 ... `ctrl-_` is 31. */
const CONTROL = '@abcdefghijklmnopqrstuvwxyz[\\]^_';

/**
 * The bytes of a key sequence as the API's `detachKeys` spells it: single characters, `ctrl-<c>` and `DEL`, with commas
 * between. Empty: Docker's own, ctrl-p,ctrl-q.
 *
 * @throws InvalidArgument "Invalid detach keys (x) provided"; `escape` is what dockerd says when an exec is created
 */
export function parseDetachKeys(keys: string, called: 'detach' | 'escape' = 'detach'): Buffer {
  return Buffer.from(
    (keys || DEFAULT_KEYS).split(',').map((key) => {
      if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
      if (key === 'DEL') return 127;
      const code = key.length === 6 && key.startsWith('ctrl-') ? CONTROL.indexOf(key.charAt(5)) : -1;
      if (code < 0) throw invalidArgument(`Invalid ${called} keys (${keys}) provided`);
      return code;
    }),
  );
}

/** Finds a key sequence in typed input, however the input is cut into pieces. */
export class DetachKeyMatcher {
  /** How many keys of the sequence have been typed and held back. */
  private matched = 0;

  constructor(private readonly keys: Buffer) {}

  /** What may be passed on of `input`, and whether the sequence is complete: the rest of the input is then dropped. */
  push(input: Buffer): { pass: Buffer; detached: boolean } {
    const first = this.keys[0] ?? -1;
    if (this.matched === 0 && !input.includes(first)) return { pass: input, detached: false };
    const pass: number[] = [];
    for (const byte of input) {
      let held = [...this.keys.subarray(0, this.matched), byte];
      while (held.length > 0 && !this.begins(held)) {
        pass.push(held[0] as number);
        held = held.slice(1);
      }
      this.matched = held.length;
      if (this.matched === this.keys.length) return { pass: Buffer.from(pass), detached: true };
    }
    return { pass: Buffer.from(pass), detached: false };
  }

  /** What was held back, when the input ends in the middle of a sequence. */
  rest(): Buffer {
    const held = Buffer.from(this.keys.subarray(0, this.matched));
    this.matched = 0;
    return held;
  }

  private begins(bytes: number[]): boolean {
    return bytes.every((byte, index) => byte === this.keys[index]);
  }
}
