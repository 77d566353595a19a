import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { pack, type Header, type Pack } from 'tar-stream';

type Entry = Partial<Header> & { name: string };

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));

/** @throws where Debian's package is not installed */
export function busyboxProgram(): string {
  if (!BUSYBOX) throw new Error('no busybox: apt-get install busybox-static');
  return BUSYBOX;
}

/** A root file system around Debian's static busybox, as a tar: what `docker import` takes. */
export async function busyboxRootfs(): Promise<Buffer> {
  const busybox = busyboxProgram();
  const tar = pack();
  const done = collect(tar);
  for (const name of ['bin', 'etc', 'root', 'home', 'var', 'proc', 'sys', 'dev', 'data', 'usr', 'usr/bin']) {
    await add(tar, { name: `${name}/`, type: 'directory', mode: 0o755 });
  }
  await add(tar, { name: 'tmp/', type: 'directory', mode: 0o1777 });
  await add(tar, { name: 'bin/busybox', mode: 0o755 }, readFileSync(busybox));
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets.filter((each) => each !== 'busybox')) {
    await add(tar, { name: `bin/${applet}`, type: 'link', linkname: 'bin/busybox', mode: 0o755 });
  }
  await add(
    tar,
    { name: 'etc/passwd' },
    Buffer.from('root:x:0:0:root:/root:/bin/sh\nbob:x:1500:1600:bob:/home/bob:/bin/sh\n'),
  );
  await add(tar, { name: 'etc/group' }, Buffer.from('root:x:0:\nbobs:x:1600:\nextra:x:1700:bob\n'));
  await add(tar, { name: 'data/seed' }, Buffer.from('image-content\n'));
  tar.finalize();
  return done;
}

/** A tar of whatever entries, hostile ones included. */
export async function tarOf(entries: { header: Entry; body?: Buffer }[]): Promise<Buffer> {
  const tar = pack();
  const done = collect(tar);
  for (const { header, body } of entries) await add(tar, header, body);
  tar.finalize();
  return done;
}

function add(tar: Pack, header: Entry, body?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry({ mtime: new Date(0), ...header } as Header, body ?? '', (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

async function collect(tar: Pack): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
