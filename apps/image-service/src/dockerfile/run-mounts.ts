import type { RunMount } from './dockerfile';
import { SyntaxFailure } from './parse-failure';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING = ['shared', 'private', 'locked'] as const;

type Expand = (text: string) => string;
type Set = (mount: Draft, value: string, key: string) => void;
/** `readonly` and `sharing` are undefined where they are not given. */
type Draft = Omit<RunMount, 'readonly' | 'sharing'> & {
  readonly: boolean | undefined;
  sharing: RunMount['sharing'] | undefined;
};

/** Longer names are the ones of the reference. */
const ALIASES: Record<string, string> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
};

const KEYS: Readonly<Record<string, Set>> = {
  type: (mount, value) => {
    mount.type = oneOf(TYPES, value, 'mount type');
  },
  from: (mount, value) => {
    mount.from = value;
  },
  source: (mount, value) => {
    mount.source = value;
  },
  target: (mount, value) => {
    mount.target = value;
  },
  readonly: (mount, value, key) => {
    mount.readonly = switchOf(key, value);
  },
  readwrite: (mount, value, key) => {
    mount.readonly = !switchOf(key, value);
  },
  required: (mount, value, key) => {
    onlyFor(['secret', 'ssh'], mount, key);
    mount.required = switchOf(key, value);
  },
  size: (mount, value, key) => {
    onlyFor(['tmpfs'], mount, key);
    mount.size = bytesOf(key, value);
  },
  env: (mount, value, key) => {
    onlyFor(['secret'], mount, key);
    mount.env = value;
  },
  id: (mount, value) => {
    mount.id = value;
  },
  sharing: (mount, value) => {
    mount.sharing = oneOf(SHARING, value, 'sharing value');
  },
  mode: (mount, value) => {
    mount.mode = numberOf(value, 8, 'mode');
  },
  uid: (mount, value) => {
    mount.uid = numberOf(value, 10, 'uid');
  },
  gid: (mount, value) => {
    mount.gid = numberOf(value, 10, 'gid');
  },
};

/** What can be said of RUN --mount before variables are put in. @throws SyntaxFailure */
export function checkMount(text: string): void {
  const hasVariable = /\$./.test(text);
  if (!hasVariable) parseRunMount(text, (word) => word);
  else if (csvFields(text).some((field) => /^from=.*\$./i.test(field))) {
    throw new SyntaxFailure(`'from' doesn't support variable expansion, define alias stage instead`);
  }
}

/** `type=cache,target=/x`, quoted as CSV is. `expand` puts variables in. @throws SyntaxFailure as dockerd words it */
export function parseRunMount(text: string, expand: Expand): RunMount {
  const draft: Draft = {
    type: 'bind',
    from: '',
    source: '',
    target: '',
    readonly: undefined,
    id: '',
    sharing: undefined,
    required: false,
    env: '',
    mode: undefined,
    uid: undefined,
    gid: undefined,
    size: undefined,
  };
  for (const field of csvFields(text)) setField(draft, field, expand);
  check(draft);
  const writable = draft.type === 'cache' || draft.type === 'tmpfs';
  return { ...draft, readonly: draft.readonly ?? !writable, sharing: draft.sharing ?? 'shared' };
}

function setField(draft: Draft, field: string, expand: Expand): void {
  const equals = field.indexOf('=');
  const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
  const name = ALIASES[key] ?? key;
  const isSwitch = name === 'readonly' || name === 'readwrite' || name === 'required';
  if (equals < 0 && !isSwitch) throw new SyntaxFailure(`invalid field '${field}' must be a key=value pair`);
  const set = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
  if (!set) throw new SyntaxFailure(`unexpected key '${key}' in '${field}'`);
  set(draft, equals < 0 ? 'true' : expand(field.slice(equals + 1)), key);
}

function check(draft: Draft): void {
  const { type } = draft;
  if (type === 'bind' || type === 'tmpfs') {
    for (const key of ['mode', 'uid', 'gid'] as const) {
      if (draft[key] !== undefined) throw new SyntaxFailure(`${key} not allowed for "${type}" type mounts`);
    }
  }
  if (type === 'secret') checkSecret(draft);
  else if (draft.target === '' && type !== 'ssh') {
    throw new SyntaxFailure(`${type} mount requires target`);
  }
  if (draft.sharing !== undefined && type !== 'cache') {
    throw new SyntaxFailure(`invalid cache sharing set for ${type} mount`);
  }
}

function checkSecret({ from, sharing, source, target, id, env }: Draft): void {
  if (from !== '') throw new SyntaxFailure('secret mount should not have a from');
  if (sharing !== undefined) throw new SyntaxFailure('secret mount should not define sharing');
  if (source === '' && target === '' && id === '' && env === '') {
    throw new SyntaxFailure('invalid secret mount. one of source, target required');
  }
  if (source !== '' && id !== '') throw new SyntaxFailure("both source and id can't be set");
}

function onlyFor(types: RunMount['type'][], { type }: Draft, key: string): void {
  if (!types.includes(type)) throw new SyntaxFailure(`unexpected key '${key}' for mount type '${type}'`);
}

function oneOf<T extends string>(known: readonly T[], value: string, what: string): T {
  const found = known.find((name) => name === value.toLowerCase());
  if (!found) throw new SyntaxFailure(`unsupported ${what} ${JSON.stringify(value)}`);
  return found;
}

function switchOf(key: string, value: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw new SyntaxFailure(`invalid value for ${key}: ${value}`);
}

function numberOf(value: string, base: 8 | 10, what: string): number {
  const digits = base === 8 ? /^[0-7]+$/ : /^\d+$/;
  const number = parseInt(value, base);
  if (!digits.test(value) || number > 0xffffffff) {
    throw new SyntaxFailure(`invalid value ${value} for ${what}`);
  }
  return number;
}

/** `64m`, as docker takes it: units of 1024. */
function bytesOf(key: string, value: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(value) ?? [];
  if (amount === undefined) throw new SyntaxFailure(`invalid value for ${key}: ${value}`);
  return Math.floor(Number(amount) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '));
}

/** One record of CSV (RFC 4180). */
function csvFields(text: string): string[] {
  const fields: string[] = [];
  for (let rest = text; ;) {
    const quoted = /^"((?:[^"]|"")*)"(?=,|$)/.exec(rest);
    if (!quoted && rest.startsWith('"')) {
      throw new SyntaxFailure('failed to parse csv mounts: extraneous or missing " in quoted-field');
    }
    const plain = /^[^,]*/.exec(rest)?.[0] ?? '';
    const taken = quoted?.[0] ?? plain;
    if (!quoted && plain.includes('"')) {
      throw new SyntaxFailure('failed to parse csv mounts: bare " in non-quoted-field');
    }
    fields.push(quoted ? (quoted[1] ?? '').replaceAll('""', '"') : plain);
    if (taken.length === rest.length) return fields;
    rest = rest.slice(taken.length + 1);
  }
}
