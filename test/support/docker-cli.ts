import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

// Away from the configuration of whoever runs the tests: the CLI does without one, and makes none.
const configDirectory = join(tmpdir(), 'gantry-no-docker-config');

/** Runs the stock docker CLI against an engine. Never rejects for an exit code. */
export function dockerOn(host: string) {
  return (
    args: string[],
    options: { input?: string | Buffer; env?: NodeJS.ProcessEnv } = {},
  ): Promise<CommandResult> =>
    new Promise((resolve, reject) => {
      const child = spawn('docker', args, { env: dockerEnvironment(host, options.env) });
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout.on('data', (part: Buffer) => out.push(part));
      child.stderr.on('data', (part: Buffer) => err.push(part));
      child.once('error', reject);
      child.once('close', (code) =>
        resolve({
          code: code ?? -1,
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
        }),
      );
      child.stdin.on('error', () => {}); // the CLI may leave without having read it
      child.stdin.end(options.input);
    });
}

export function dockerEnvironment(host: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DOCKER_HOST: host,
    DOCKER_CONFIG: configDirectory,
    DOCKER_CLI_HINTS: 'false',
    DOCKER_BUILDKIT: '0',
    ...more,
  };
}
