import type { ArgInstruction, EscapeToken } from './dockerfile';
import { environmentOf } from './environment';
import { expandWord } from './variables';

/** Known without an ARG; without one they do not count for the cache and do not stand in the history. */
const PREDEFINED = new Set(
  ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
    name,
    name.toLowerCase(),
  ]),
);

/** TARGETPLATFORM and its like: set by the builder, seen by a stage that declares them. */
export interface BuildPlatform {
  os: string;
  architecture: string;
  variant: string;
}

/** The build arguments of one build, across its stages. */
export class BuildArguments {
  private readonly used = new Set<string>();
  private readonly globals = new Map<string, string>();
  private readonly platform: ReadonlyMap<string, string>;

  /** `given`: API `buildargs`; null: declared by the client without a value. */
  constructor(
    private readonly given: ReadonlyMap<string, string | null>,
    platforms: { build: BuildPlatform; target: BuildPlatform },
    /** TARGETSTAGE. */
    target = 'default',
  ) {
    this.platform = new Map([
      ...platformArguments('BUILD', platforms.build),
      ...platformArguments('TARGET', platforms.target),
      ['TARGETSTAGE', target],
    ]);
  }

  /** An ARG before the first FROM. */
  declareGlobal({ arguments: declared }: ArgInstruction, escape: EscapeToken): void {
    for (const { name, value } of declared) {
      const expanded =
        value === undefined ? undefined : expandWord(value, { variables: this.forBase, escape });
      const set = this.valueGiven(name) ?? expanded ?? this.platform.get(name);
      if (set !== undefined) this.globals.set(name, set);
    }
  }

  /** For FROM: the arguments before it, and the platforms without an ARG. */
  get forBase(): ReadonlyMap<string, string> {
    return new Map([...this.platform, ...this.globals]);
  }

  /** A stage begins with nothing declared, or with what the stage it is built on has declared. */
  stage(base?: StageArguments): StageArguments {
    return new StageArguments(
      {
        given: (name) => this.valueGiven(name),
        inherited: (name) => this.globals.get(name) ?? this.platform.get(name),
        predefined: () => this.predefined(),
      },
      base?.declared,
    );
  }

  /** `[Warning] One or more build-args [...] were not consumed`, when every stage that is built has been. */
  get unused(): string[] {
    return [...this.given.keys()].filter((name) => !this.used.has(name) && !PREDEFINED.has(name)).sort();
  }

  private valueGiven(name: string): string | undefined {
    if (!this.given.has(name)) return undefined;
    this.used.add(name);
    return this.given.get(name) ?? undefined;
  }

  private predefined(): Map<string, string> {
    const entries = [...this.given].filter(
      (entry): entry is [string, string] => PREDEFINED.has(entry[0]) && entry[1] !== null,
    );
    return new Map(entries);
  }
}

interface Outside {
  given(name: string): string | undefined;
  inherited(name: string): string | undefined;
  predefined(): Map<string, string>;
}

/** What one stage has declared so far. */
export class StageArguments {
  /** Name to value; undefined: declared without one. */
  readonly declared: Map<string, string | undefined>;

  constructor(
    private readonly outside: Outside,
    declared?: ReadonlyMap<string, string | undefined>,
  ) {
    this.declared = new Map(declared);
  }

  /** `instruction` with its variables put in. Returns the comment for the history. */
  declare({ arguments: declared }: ArgInstruction): string {
    for (const { name, value } of declared) {
      this.declared.set(name, this.outside.given(name) ?? value ?? this.outside.inherited(name));
    }
    return [
      'ARG',
      ...declared.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)),
    ].join(' ');
  }

  /** For the words of instructions: an ENV wins over an ARG. */
  variables(environment: readonly string[] | undefined | null): Map<string, string> {
    return new Map([...this.set(), ...environmentOf(environment)]);
  }

  /** What RUN sees besides the environment, `A=b`, sorted; an ENV of the name hides it. */
  forRun(environment: readonly string[] | undefined | null): string[] {
    return entriesBut(environmentOf(environment), new Map([...this.outside.predefined(), ...this.set()]));
  }

  /** The part of {@link forRun} that counts for the cache and stands in the history. */
  forCache(environment: readonly string[] | undefined | null): string[] {
    return entriesBut(environmentOf(environment), new Map(this.set()));
  }

  private set(): [string, string][] {
    return [...this.declared].filter((entry): entry is [string, string] => entry[1] !== undefined);
  }
}

function entriesBut(environment: ReadonlyMap<string, string>, values: ReadonlyMap<string, string>): string[] {
  return [...values]
    .filter(([name]) => !environment.has(name))
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}

function platformArguments(prefix: string, { os, architecture, variant }: BuildPlatform): [string, string][] {
  const platform = [os, architecture, variant].filter(Boolean).join('/');
  return [
    [`${prefix}PLATFORM`, platform],
    [`${prefix}OS`, os],
    [`${prefix}ARCH`, architecture],
    [`${prefix}VARIANT`, variant],
  ];
}
