import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readFile } from 'node:fs/promises';
import { tarOf } from '../support/busybox-image';

const inner = () =>
  tarOf([
    { header: { name: 'in/', type: 'directory', mode: 0o750, uid: 5, gid: 6 } },
    { header: { name: 'in/file', mode: 0o640, uid: 7, gid: 8 }, body: Buffer.from('inner\n') },
    { header: { name: 'in/link', type: 'symlink', linkname: 'file', uid: 9, gid: 9 } },
    { header: { name: 'in/hard', type: 'link', linkname: 'in/file', mode: 0o640, uid: 7, gid: 8 } },
    { header: { name: 'seed', mode: 0o600 }, body: Buffer.from('from the archive\n') },
  ]);

const through = (program: string, bytes: Buffer): Buffer => execFileSync(program, ['-c'], { input: bytes });

/** Made once: three programs are needed for it. */
const archives = (async () => {
  const plain = await inner();
  return {
    'archive.tar': plain,
    'archive.tar.bz2': through('bzip2', plain),
    'archive.tar.gz': gzipSync(plain),
    'archive.tar.xz': through('xz', plain),
    'archive.tar.zst': through('zstd', plain),
  };
})();

/** The context of every build of the corpus: the docker CLI's names and owners, and all that is awkward to copy. */
export async function corpusContext(dockerfile: string): Promise<Buffer> {
  const file = (name: string, content: string | Buffer, mode = 0o644) => ({
    header: { name, mode },
    body: Buffer.from(content as string),
  });
  const directory = (name: string, mode = 0o755) => ({
    header: { name: `${name}/`, type: 'directory' as const, mode },
  });
  const link = (name: string, linkname: string) => ({ header: { name, type: 'symlink' as const, linkname } });
  return tarOf([
    file('Dockerfile', dockerfile),
    file('a.txt', 'a\n'),
    ...Object.entries(await archives).map(([name, bytes]) => file(name, bytes)),
    file('b.md', '# b\n', 0o600),
    directory('dir', 0o750),
    file('dir/a.txt', 'a in dir\n'),
    file('dir/one.txt', 'one\n', 0o640),
    file('dir/read.md', 'read\n'),
    directory('dir/sub', 0o711),
    file('dir/sub/two.txt', 'two\n'),
    link('dirlink', 'dir'),
    directory('empty'),
    link('link.txt', 'a.txt'),
    directory('links'),
    link('links/absolute', '/etc/passwd'),
    link('links/broken', 'nowhere'),
    file('links/file', 'linked\n'),
    { header: { name: 'links/hard', type: 'link', linkname: 'links/file', mode: 0o644 } },
    link('links/up', '../a.txt'),
    directory('modes'),
    file('modes/executable', 'x\n', 0o755),
    file('modes/private', 'p\n', 0o400),
    directory('modes/sticky', 0o1777),
    file('modes/sticky/file', 's\n', 0o666),
    file('plain.gz', gzipSync('no archive\n')),
    file('script.sh', '#!/bin/sh\n', 0o755),
    ...(dockerfile.includes('setuid') ? [file('setuid', 's\n', 0o4755)] : []),
    file('with space.txt', 'space\n'),
  ]);
}

/** Serves as plain files what ADD fetches, `/file.txt`, `/archive.tar.gz` and `/repository.git`, and a context, `/context.git`. */
export async function serveFiles(): Promise<{ url: string; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'corpus-'));
  writeFileSync(join(directory, 'file.txt'), 'hello\n');
  writeFileSync(join(directory, 'archive.tar.gz'), gzipSync(await inner()));
  makeRepository(join(directory, 'repository'), [{ 'sub/inner': 'inner\n', one: 'one\n' }, { two: 'two\n' }]);
  const labelled = (from: string) => `FROM scratch\nLABEL from=${from}\n`;
  makeRepository(join(directory, 'context'), [
    { Dockerfile: labelled('v1'), 'sub/Dockerfile': labelled('sub') },
    { Dockerfile: labelled('main') },
  ]);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    readFile(join(directory, pathname)).then(
      (body) => response.setHeader('last-modified', new Date(1e12).toUTCString()).end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** `<work>.git`: a commit for each set of files, the first tagged v1. */
function makeRepository(work: string, commits: Record<string, string>[]): void {
  mkdirSync(work);
  const env = { PATH: process.env['PATH'], HOME: work, GIT_CONFIG_NOSYSTEM: '1' };
  const run = (cwd: string, ...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], {
      cwd,
      env,
      stdio: 'ignore',
    });
  run(work, 'init', '--initial-branch=main');
  for (const [index, files] of commits.entries()) {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(work, name)), { recursive: true });
      writeFileSync(join(work, name), content);
    }
    run(work, 'add', '.');
    run(work, 'commit', '-m', `${index}`);
    if (index === 0) run(work, 'tag', 'v1');
  }
  run(work, 'clone', '--bare', '.', `${work}.git`);
  run(`${work}.git`, 'update-server-info');
}
