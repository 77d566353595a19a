import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PROGRAM = join(__dirname, 'network-peer-program.mjs');

/** Node inside the network namespace of a process; of this one without `pid`. */
const inNetworkOf = (pid: number | undefined, args: string[]): [string, string[]] =>
  pid === undefined
    ? [process.execPath, [PROGRAM, ...args]]
    : ['nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, PROGRAM, ...args]];

/** Echoes TCP and UDP on a port of the network that process `pid` is in. Resolves when it listens. */
export async function serveEcho(pid: number, port: number): Promise<ChildProcess> {
  const [program, args] = inNetworkOf(pid, ['serve', `${port}`]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** What a server answers to `text`, asked from the network of process `pid` or of the host; or the error's code, or `timeout`. */
export async function ask(
  protocol: 'tcp' | 'udp',
  host: string,
  port: number,
  { pid, text = 'hello' }: { pid?: number; text?: string } = {},
): Promise<string> {
  const [program, args] = inNetworkOf(pid, ['ask', protocol, host, `${port}`, text]);
  return (await promisify(execFile)(program, args)).stdout;
}
