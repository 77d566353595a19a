/** One line of /proc/self/mountinfo (proc(5)). */
export interface MountInfo {
  id: number;
  parentId: number;
  /** `major:minor` of the file system. */
  device: string;
  /** The directory of the file system that is the root of this mount. */
  root: string;
  mountPoint: string;
  /** Per-mount options, e.g. `['rw', 'relatime']`. */
  options: string[];
  /** e.g. `['shared:1', 'master:2']`; empty for a private mount. */
  propagation: string[];
  fsType: string;
  source: string;
  /** Per-superblock options. */
  superOptions: string[];
}

export function parseMountInfo(text: string): MountInfo[] {
  return text.split('\n').filter(Boolean).map(parseLine);
}

function parseLine(line: string): MountInfo {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const field = (index: number): string => fields[index] ?? '';
  return {
    id: Number(field(0)),
    parentId: Number(field(1)),
    device: field(2),
    root: unescapeOctal(field(3)),
    mountPoint: unescapeOctal(field(4)),
    options: field(5).split(','),
    propagation: fields.slice(6, separator),
    fsType: field(separator + 1),
    source: unescapeOctal(field(separator + 2)),
    superOptions: field(separator + 3).split(','),
  };
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on. Bytes above 127 are left as they are. */
function unescapeOctal(value: string): string {
  return value.includes('\\')
    ? value.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
    : value;
}
