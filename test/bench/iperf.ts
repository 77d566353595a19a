import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

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

/** What one TCP connection carries from the network namespace of a process to a server, in Gbit/s. */
export async function throughput(
  pid: number,
  address: string,
  port: number,
  seconds: number,
): Promise<number> {
  const options = [
    '-J',
    '-t',
    String(seconds),
    '-c',
    address,
    '-p',
    String(port),
    '--connect-timeout',
    '5000',
  ];
  const [program, argv] = within(pid, ['iperf3', ...options]);
  const client = spawn(program, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: (seconds + 20) * 1000,
  });
  let [text, complaint] = ['', ''];
  client.stdout.on('data', (part: Buffer) => (text += part.toString()));
  client.stderr.on('data', (part: Buffer) => (complaint += part.toString()));
  const [code] = (await once(client, 'close')) as [number];
  if (text === '') throw new Error(`iperf3 to ${address}:${port} ended with ${code}: ${complaint}`);
  const report = JSON.parse(text) as { error?: string; end: { sum_received?: { bits_per_second: number } } };
  const bits = report.end.sum_received?.bits_per_second;
  if (bits === undefined) throw new Error(`iperf3 to ${address}:${port}: ${report.error}`);
  return bits / 1e9;
}
