import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Runs a program in the network namespace of a process. */
const within = (pid: number, argv: string[]): [string, string[]] => [
  'nsenter',
  [`--net=/proc/${pid}/ns/net`, ...argv],
];

/** An iperf3 server in the network namespace of a process. */
export class IperfServer {
  private constructor(private readonly process: ChildProcess) {}

  /** Resolves when it listens, on all addresses. */
  static async start(pid: number, port: number): Promise<IperfServer> {
    const [program, argv] = within(pid, ['iperf3', '-s', '-p', String(port), '--forceflush']);
    const server = spawn(program, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('exit', (code) => reject(new Error(`iperf3 -s ended with ${code}`)));
      server.stdout.on('data', (text: Buffer) => text.includes('Server listening') && resolve());
    });
    return new IperfServer(server);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill();
    await ended;
  }
}

/** @throws one line for the user where there is no iperf3, which nothing but this bench needs */
export function requireIperf(): void {
  const { error } = spawnSync('iperf3', ['--version'], { stdio: 'ignore' });
  if (error)
    throw new Error('iperf3 is not installed, and this bench measures with it: apt-get install iperf3');
}

/** What one TCP connection carried. */
export interface Flow {
  /** Gbit/s. */
  rate: number;
  /** Seconds of CPU of the whole machine for a gigabyte. */
  cpu: number;
}

/** One TCP connection from the network namespace of a process to a server. @param write bytes that are written at once */
export async function throughput(
  pid: number,
  address: string,
  port: number,
  { seconds, write }: { seconds: number; write: number },
): Promise<Flow> {
  const options = ['-J', '-t', seconds, '-l', write, '-c', address, '-p', port, '--connect-timeout', 5_000];
  const [program, argv] = within(pid, ['iperf3', ...options.map(String)]);
  const before = busySeconds();
  const client = spawn(program, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: (seconds + 20) * 1000,
  });
  let [text, complaint] = ['', ''];
  client.stdout.on('data', (part: Buffer) => (text += part.toString()));
  client.stderr.on('data', (part: Buffer) => (complaint += part.toString()));
  const [code] = (await once(client, 'close')) as [number];
  const cpu = busySeconds() - before;
  if (text === '') throw new Error(`iperf3 to ${address}:${port} ended with ${code}: ${complaint}`);
  const report = JSON.parse(text) as {
    error?: string;
    end: { sum_received?: { bits_per_second: number; bytes: number } };
  };
  const received = report.end.sum_received;
  if (!received) throw new Error(`iperf3 to ${address}:${port}: ${report.error}`);
  return { rate: received.bits_per_second / 1e9, cpu: cpu / (received.bytes / 1e9) };
}

/** Of all CPUs of the machine since it was started (proc(5), stat): user, nice, system, irq, softirq. */
function busySeconds(): number {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  return [0, 1, 2, 5, 6].reduce((sum, field) => sum + (ticks[field] ?? 0), 0) / 100;
}
