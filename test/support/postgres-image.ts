import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { busyboxProgram } from './busybox-image';

export const POSTGRES_DATA = '/var/lib/postgresql/data';
const UID = 70;
const DEBIAN = '/usr/lib/postgresql';
const PROGRAMS = ['initdb', 'postgres', 'psql'];

/**
 * A root file system with the PostgreSQL of this host's Debian package, the libraries it is linked with, and a shell, as a
 * tar for `docker import`. `/bin/run-postgres` makes a cluster where there is none, and runs it.
 */
export function postgresRootfs(): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'postgres-image-'));
  try {
    const version = readdirSync(DEBIAN).sort().at(-1) ?? '';
    const binaries = PROGRAMS.map((program) => join(DEBIAN, version, 'bin', program));
    const modules = join(DEBIAN, version, 'lib');
    for (const path of [...binaries, ...binaries.flatMap(librariesOf)]) copy(path, root);
    // Not the just-in-time compiler, which is larger than all the rest.
    for (const name of readdirSync(modules)) {
      if (name.endsWith('.so') && !name.includes('jit')) copy(join(modules, name), root);
    }
    copy(join('/usr/share/postgresql', version), root);
    for (const zone of ['UTC', 'GMT', 'Etc/UTC']) copy(join('/usr/share/zoneinfo', zone), root);
    for (const name of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev']) {
      mkdirSync(join(root, name), { recursive: true });
    }
    chmodSync(join(root, 'tmp'), 0o1777);
    cpSync(busyboxProgram(), join(root, 'bin', 'busybox'));
    execFileSync('ln', [join(root, 'bin', 'busybox'), join(root, 'bin', 'sh')]);
    writeFileSync(join(root, 'etc', 'passwd'), `postgres:x:${UID}:${UID}::/tmp:/bin/sh\n`);
    writeFileSync(join(root, 'etc', 'group'), `postgres:x:${UID}:\n`);
    const data = join(root, POSTGRES_DATA);
    mkdirSync(data, { recursive: true });
    chownSync(data, UID, UID);
    chmodSync(data, 0o700);
    writeFileSync(join(root, 'bin', 'run-postgres'), startScript(join(DEBIAN, version, 'bin')), {
      mode: 0o755,
    });
    return execFileSync('tar', ['--numeric-owner', '-C', root, '-c', '.'], { maxBuffer: 2 ** 30 });
  } finally {
    rmSync(root, { recursive: true });
  }
}

function startScript(binaries: string): string {
  return `#!/bin/sh
[ -e ${POSTGRES_DATA}/PG_VERSION ] ||
  ${binaries}/initdb -D ${POSTGRES_DATA} -U postgres -A trust -E UTF8 --locale=C --no-sync || exit
exec ${binaries}/postgres -D ${POSTGRES_DATA} -c listen_addresses= -c unix_socket_directories=/tmp
`;
}

/** With the loader (ldd(1)). */
function librariesOf(program: string): string[] {
  const lines = execFileSync('ldd', [program], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

/** To the same path; what a symlink leads to in its place. */
function copy(path: string, root: string): void {
  const target = join(root, path);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  cpSync(path, target, { recursive: true, dereference: true });
}
