/** The `linux.seccomp` section of an OCI runtime configuration. */
export interface OciSeccomp {
  /** `SCMP_ACT_ALLOW`, `SCMP_ACT_ERRNO` ... */
  defaultAction: string;
  defaultErrnoRet?: number;
  /** `SCMP_ARCH_X86_64` ...; none means the host's own. */
  architectures?: string[];
  flags?: string[];
  syscalls?: OciSyscallRule[];
}

export interface OciSyscallRule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: OciSyscallArgument[];
}

export interface OciSyscallArgument {
  index: number;
  value: number;
  valueTwo?: number;
  /** `SCMP_CMP_EQ` ... */
  op: string;
}

export interface Seccomp {
  /** Whether libseccomp.so.2 is on this host. */
  available(): boolean;
  /**
   * Compiles a profile to the BPF program the kernel takes (about 24 ms: cache it). System calls this libseccomp does
   * not know are skipped, as runtimes do. undefined when libseccomp is missing; an unknown action, operator or
   * architecture throws a RangeError.
   */
  compile(profile: OciSeccomp): Buffer | undefined;
  /**
   * Docker's default profile, cut down to what a container with these capabilities (`CAP_CHOWN` ...) may call.
   * `arch` and `kernelVersion` (`6.1`) default to the host's.
   */
  defaultProfile(capabilities: string[], arch?: string, kernelVersion?: string): OciSeccomp;
}
