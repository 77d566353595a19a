import { internal, invalidArgument } from '@gantry/shared/errors';

/** API: ContainerTopResponse. */
export interface ProcessTable {
  Titles: string[];
  Processes: string[][];
}

/** The words of ps's arguments. @throws InvalidArgument where they rename the PID column, by which lines are found. */
export function psArguments(given: string): string[] {
  const renamed = / \S*=\s*(PID\S*)/i.exec(` ${given}`);
  if (renamed) throw invalidArgument(`specifying "${renamed[0].trim()}" is not allowed`);
  return (given || '-ef').split(/\s+/).filter(Boolean);
}

/** What ps printed, only the lines of the given processes. The last column keeps its spaces as one. */
export function parseProcesses(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [header = '', ...lines] = output.split('\n');
  const titles = header.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw internal("Couldn't find PID field in ps output");
  const processes = lines
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => pids.has(Number(fields[pidColumn])))
    .map((fields) => [...fields.slice(0, titles.length - 1), fields.slice(titles.length - 1).join(' ')]);
  return { Titles: titles, Processes: processes };
}
