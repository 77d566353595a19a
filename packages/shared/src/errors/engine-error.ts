import { getSystemErrorMap } from 'node:util';

/**
 * What can go wrong, as a caller sees it. docs/architecture.md, "Errors". Unavailable: a part of the engine; Unreachable: another
 * host, a registry mostly.
 */
export const ERROR_KINDS = [
  'NotFound',
  'InvalidArgument',
  'Conflict',
  'NotModified',
  'Unauthorized',
  'Forbidden',
  'Unavailable',
  'Unreachable',
  'TooManyRequests',
  'NotImplemented',
  'DataLoss',
  'Internal',
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

/** An error with words for the user, worded as Docker words it. Anything else that is thrown counts as Internal. */
export class EngineError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = kind;
  }
}

const raise = (kind: ErrorKind) => (message: string, cause?: unknown) =>
  new EngineError(kind, message, { cause });

export const notFound = raise('NotFound');
export const invalidArgument = raise('InvalidArgument');
export const conflict = raise('Conflict');
export const notModified = raise('NotModified');
export const unauthorized = raise('Unauthorized');
export const forbidden = raise('Forbidden');
export const unavailable = raise('Unavailable');
export const unreachable = raise('Unreachable');
export const tooManyRequests = raise('TooManyRequests');
export const notImplemented = raise('NotImplemented');
export const dataLoss = raise('DataLoss');
export const internal = raise('Internal');

export function isKind(error: unknown, kind: ErrorKind): boolean {
  return error instanceof EngineError && error.kind === kind;
}

/** How node:fs words its errors: `ENOSPC: no space left on device, mkdir '/x'`. */
const FILE_ERROR = /^E[A-Z0-9]+: (.+?), (\w+)(?: '(.*)')?$/s;

/** A quota that is used up. libuv does not know it: Node has no words for it. */
const EDQUOT = -122;

/** How the Linux port does: `openat x: ENOSPC`. */
const CALL_ERROR = /^(.+: )(E[A-Z0-9]+)$/s;

/** strerror(3) for the name of an errno. */
function textOf(code: string): string {
  return [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1] ?? code;
}

/** The message of whatever was thrown; of system calls in the words of dockerd: `mkdir /x: no space left on device`. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [, doing, code = ''] = CALL_ERROR.exec(error.message) ?? [];
  if (doing !== undefined && !(error instanceof EngineError)) return doing + textOf(code);
  const known = (error as NodeJS.ErrnoException).errno !== EDQUOT;
  const message = known
    ? error.message
    : error.message.replace(/^UNKNOWN: unknown error/, 'EDQUOT: disk quota exceeded');
  const [, text, call, paths] = FILE_ERROR.exec(message) ?? [];
  if (text === undefined) return message;
  return `${[call, ...(paths?.split("' -> '") ?? [])].join(' ')}: ${text}`;
}
