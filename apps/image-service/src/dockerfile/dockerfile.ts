import type { CheckOptions } from './check-options';
import type { HealthConfig } from '../images/image-config';

/** What a Dockerfile says, instruction by instruction. No variable is put in yet: {@link expandInstruction} does that. */
export interface Dockerfile {
  escape: EscapeToken;
  /** ARGs before the first FROM. */
  globals: ArgInstruction[];
  stages: Stage[];
  /** Instructions with an empty line in the middle, which Docker wants gone. */
  continuations: Origin[];
  /** `# check=`. */
  checks: CheckOptions;
}

export type EscapeToken = '\\' | '`';

export interface Stage {
  /** Lower case; empty: it has none. */
  name: string;
  /** An image, an earlier stage or `scratch`, variables not put in. */
  base: string;
  /** Of `--platform`, empty: none. */
  platform: string;
  origin: Origin;
  instructions: Instruction[];
}

/** Where an instruction stands and how it is written. */
export interface Origin {
  /** From 1. */
  line: number;
  endLine: number;
  /** Its lines as one, without comments, here-documents and blanks around it. */
  text: string;
}

export interface HereDocument {
  name: string;
  /** As written, with its newlines. */
  content: string;
  /** Whether variables are put in: the name is not quoted. */
  expand: boolean;
  /** `<<-`: leading tabs do not count. */
  chomp: boolean;
}

/** The command of RUN, CMD, ENTRYPOINT and HEALTHCHECK. */
export interface CommandLine {
  /** `shell`: one word, for the shell to split. */
  form: 'shell' | 'exec';
  words: string[];
  /** Of RUN: in the order of their names in the line. */
  documents: HereDocument[];
}

/** RUN --mount, as the Dockerfile reference names its keys. */
export interface RunMount {
  type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  from: string;
  source: string;
  target: string;
  readonly: boolean;
  id: string;
  sharing: 'shared' | 'private' | 'locked';
  required: boolean;
  /** Of secret: the name of an environment variable that gets it. */
  env: string;
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  /** Bytes, of tmpfs. */
  size: number | undefined;
}

interface Written<Kind extends string> {
  kind: Kind;
  origin: Origin;
}

export interface RunInstruction extends Written<'run'> {
  command: CommandLine;
  /** As written: variables are put in before {@link parseRunMount} reads them. */
  mounts: string[];
  network: 'default' | 'none' | 'host';
  security: 'sandbox' | 'insecure';
}

interface Transfer {
  sources: string[];
  /** Sources that stand in the Dockerfile. */
  documents: HereDocument[];
  destination: string;
  /** Empty: none. */
  chown: string;
  chmod: string;
  link: boolean;
  parents: boolean;
  exclude: string[];
}

export interface CopyInstruction extends Written<'copy'>, Transfer {
  /** A stage's name or number, a named context or an image; empty: the build context. */
  from: string;
}

export interface AddInstruction extends Written<'add'>, Transfer {
  /** `sha256:<hex>` of what is downloaded; empty: not checked. */
  checksum: string;
  keepGitDir: boolean;
  /** undefined: local archives are unpacked, downloads are not. */
  unpack: boolean | undefined;
}

export interface ArgInstruction extends Written<'arg'> {
  /** Without a value: it is declared only. */
  arguments: { name: string; value: string | undefined }[];
}

export interface PairsInstruction extends Written<'env' | 'label'> {
  pairs: [name: string, value: string][];
}

export interface TextInstruction extends Written<'workdir' | 'user' | 'stopsignal' | 'maintainer'> {
  value: string;
}

export interface ListInstruction extends Written<'volume' | 'expose' | 'shell'> {
  values: string[];
}

export interface CommandInstruction extends Written<'cmd' | 'entrypoint'> {
  command: CommandLine;
}

export interface HealthcheckInstruction extends Written<'healthcheck'> {
  health: HealthConfig;
}

export interface OnbuildInstruction extends Written<'onbuild'> {
  /** Goes into the image, for {@link parseTrigger}. */
  trigger: string;
}

/** Changes nothing but the configuration; WORKDIR makes its directory too. */
export type ConfigInstruction =
  | PairsInstruction
  | TextInstruction
  | ListInstruction
  | CommandInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

export type Instruction =
  RunInstruction | CopyInstruction | AddInstruction | ArgInstruction | ConfigInstruction;
