import { closeSync, fstatSync, readSync } from 'node:fs';
import { machine, release } from 'node:os';
import { SystemError } from '../errno';
import { memoryFile } from '../memory-file';
import { NativeLibrary, NativeValue } from '../native';
import { buildDefaultProfile } from './default-profile';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule, Seccomp } from './seccomp';

const library = new NativeLibrary('libseccomp.so.2');
const newFilter = library.declare<NativeValue>('void *seccomp_init(uint32_t action)');
const releaseFilter = library.declare<void>('void seccomp_release(void *filter)');
const addArchitecture = library.declare('int seccomp_arch_add(void *filter, uint32_t architecture)');
const resolveArchitecture = library.declare('uint32_t seccomp_arch_resolve_name(const char *name)');
const resolveSyscall = library.declare('int seccomp_syscall_resolve_name(const char *name)');
const addRule = library.declare(
  'int seccomp_rule_add_array(void *filter, uint32_t action, int number, unsigned int count, void *arguments)',
);
const exportBpf = library.declare('int seccomp_export_bpf(void *filter, int fd)');

const NR_SCMP_ERROR = -1;
const EPERM = 1;
const EEXIST = 17;
const EINVAL = 22;
const EDOM = 33;
/** struct scmp_arg_cmp */
const ARGUMENT_SIZE = 24;
const MAX_ARGUMENT_INDEX = 5;

const ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const ACTIONS_WITH_VALUE = new Set(['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']);

const OPERATORS: Record<string, number> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

export class LibSeccomp implements Seccomp {
  available(): boolean {
    return library.available();
  }

  compile(profile: OciSeccomp): Buffer | undefined {
    if (!this.available()) return undefined;
    const defaultAction = actionNumber(profile.defaultAction, profile.defaultErrnoRet);
    const filter = newFilter(defaultAction);
    if (filter === null) throw new RangeError(`seccomp action ${profile.defaultAction}`);
    try {
      for (const name of profile.architectures ?? []) addArchitectureTo(filter, name);
      for (const rule of profile.syscalls ?? []) addRules(filter, rule, defaultAction);
      return exported(filter);
    } finally {
      releaseFilter(filter);
    }
  }

  defaultProfile(capabilities: string[], arch = machine(), kernelVersion = release()): OciSeccomp {
    const [major = 0, minor = 0] = kernelVersion.split('.').map((part) => parseInt(part, 10));
    return buildDefaultProfile(capabilities, arch, [major, minor]);
  }
}

function actionNumber(action: string, value = EPERM): number {
  const number = ACTIONS[action];
  if (number === undefined) throw new RangeError(`seccomp action ${action} is not supported`);
  return ACTIONS_WITH_VALUE.has(action) ? (number | (value & 0xffff)) >>> 0 : number;
}

function addArchitectureTo(filter: NativeValue, name: string): void {
  const token = resolveArchitecture(name.replace(/^SCMP_ARCH_/, '').toLowerCase());
  if (token === 0) throw new RangeError(`seccomp architecture ${name} is not known`);
  const result = addArchitecture(filter, token);
  if (result < 0 && result !== -EEXIST) throw new SystemError(-result, 'seccomp_arch_add', name);
}

function addRules(filter: NativeValue, rule: OciSyscallRule, defaultAction: number): void {
  const action = actionNumber(rule.action, rule.errnoRet);
  // libseccomp refuses rules that say what the default says anyway.
  if (action === defaultAction) return;
  const alternatives = splitAlternatives(rule.args ?? []).map((args) => ({
    count: args.length,
    bytes: Buffer.concat(args.map(encodeArgument)),
  }));
  for (const name of rule.names) {
    const number = resolveSyscall(name);
    if (number === NR_SCMP_ERROR) continue;
    for (const { count, bytes } of alternatives) {
      const result = addRule(filter, action, number, count, bytes);
      // A call that one of the architectures lacks or that a rule above has settled is no error.
      if (result < 0 && ![EDOM, EINVAL, EEXIST].includes(-result)) {
        throw new SystemError(-result, 'seccomp_rule_add', name);
      }
    }
  }
}

/** Conditions on different arguments must all hold; of several on one argument one is enough, as in runc. */
function splitAlternatives(args: OciSyscallArgument[]): OciSyscallArgument[][] {
  const repeated = new Set(args.map((arg) => arg.index)).size < args.length;
  return repeated ? args.map((arg) => [arg]) : [args];
}

function encodeArgument(arg: OciSyscallArgument): Buffer {
  const operator = OPERATORS[arg.op];
  if (operator === undefined) throw new RangeError(`seccomp operator ${arg.op} is not known`);
  if (!(arg.index >= 0 && arg.index <= MAX_ARGUMENT_INDEX)) {
    throw new RangeError(`seccomp argument index ${arg.index}`);
  }
  const bytes = Buffer.alloc(ARGUMENT_SIZE);
  bytes.writeUInt32LE(arg.index, 0);
  bytes.writeUInt32LE(operator, 4);
  bytes.writeBigUInt64LE(BigInt(arg.value), 8);
  bytes.writeBigUInt64LE(BigInt(arg.valueTwo ?? 0), 16);
  return bytes;
}

function exported(filter: NativeValue): Buffer {
  const fd = memoryFile('seccomp');
  try {
    const result = exportBpf(filter, fd);
    if (result < 0) throw new SystemError(-result, 'seccomp_export_bpf');
    const program = Buffer.alloc(fstatSync(fd).size);
    readSync(fd, program, 0, program.length, 0);
    return program;
  } finally {
    closeSync(fd);
  }
}
