import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpuSecondsOf } from './processes';
import { median, quantile } from './statistics';

/** Where a bench is started: the root of the repository. */
const PROGRAM = join(process.cwd(), 'test', 'bench', 'name-client.mjs');
const SECONDS = 2;
const MAX_OUTPUT = 64 * 1024 * 1024;

export interface NameFigures {
  /** Milliseconds of one question after the other. */
  median: number;
  at95: number;
  /** Questions answered a second, 32 at a time. */
  rate: number;
  /** Questions for a second of CPU of the processes that answer. */
  perCpuSecond: number;
}

/**
 * What the resolver of a container does.
 * @param pid in whose network namespace the questions are asked
 * @param answering the processes of the resolver
 */
export async function measureNames(pid: number, name: string, answering: number[]): Promise<NameFigures> {
  const serial = await ask(pid, name, 1);
  const before = cpuSecondsOf(answering);
  const parallel = await ask(pid, name, 32);
  const cpu = cpuSecondsOf(answering) - before;
  return {
    median: median(serial),
    at95: quantile(serial, 0.95),
    rate: parallel.length / SECONDS,
    perCpuSecond: parallel.length / cpu,
  };
}

/** Milliseconds of each question. @throws where one was not answered */
async function ask(pid: number, name: string, width: number): Promise<number[]> {
  const args = [`--net=/proc/${pid}/ns/net`, process.execPath, PROGRAM, name, `${SECONDS}`, `${width}`];
  const { stdout } = await promisify(execFile)('nsenter', args, { maxBuffer: MAX_OUTPUT });
  const { milliseconds, failed } = JSON.parse(stdout) as { milliseconds: number[]; failed: number };
  if (failed > 0)
    throw new Error(`${failed} of ${milliseconds.length} questions for ${name} were not answered`);
  return milliseconds;
}
