import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

type Method =
  'Activate' | 'Capabilities' | 'Create' | 'Remove' | 'Mount' | 'Unmount' | 'Path' | 'Get' | 'List';
type Behaviour = 'hang' | 'die' | 'garbage' | 'wrong' | { err: string };

/** The program volume-plugin-program.mjs. */
export class VolumePlugin {
  private process?: ChildProcess;

  /** `listen`: a socket's path, or `127.0.0.1:0`. */
  constructor(
    private readonly listen: string,
    readonly data: string,
    private readonly more: string[] = [],
  ) {}

  /** Gives what it says when it listens. */
  async start(): Promise<string> {
    if (this.listen.startsWith('/')) mkdirSync(dirname(this.listen), { recursive: true });
    const program = join(__dirname, 'volume-plugin-program.mjs');
    const args = [program, '--listen', this.listen, '--data', this.data, ...this.more];
    this.process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(this.process.stdout ?? this.process, 'data')) as [Buffer];
    return line.toString().trim();
  }

  async stop(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** From now on, until the next call of this. */
  behave(behaviour: Partial<Record<Method, Behaviour>>): void {
    writeFileSync(join(this.data, 'behave.json'), JSON.stringify(behaviour));
  }

  /** What the engine has asked for so far: `Create {...}`. */
  calls(): string[] {
    const file = join(this.data, 'calls');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    return lines.map((line) => line.replace(/^(VolumeDriver|Plugin)\./, ''));
  }

  /** Its volumes, with who has them mounted. */
  volumes(): Record<string, { users: string[] }> {
    return JSON.parse(readFileSync(join(this.data, 'state.json'), 'utf8')) as Record<
      string,
      { users: string[] }
    >;
  }
}
