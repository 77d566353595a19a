import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLinux } from '@gantry/shared/linux';
import { checkoutGit } from './git-checkout';
import { parseGitSource } from './git-source';

const linux = createLinux();

describe('checkouts', () => {
  const base = mkdtempSync(join(tmpdir(), 'git-'));
  const server = createServer((request, response) => {
    readFile(join(base, request.url?.split('?')[0] ?? '')).then(
      (body) => response.end(body),
      () => response.writeHead(404).end(),
    );
  });
  let url: string;
  let commit: string;

  beforeAll(async () => {
    const work = join(base, 'work');
    mkdirSync(work);
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], {
        cwd: work,
        encoding: 'utf8',
      });
    git('init', '--quiet', '--initial-branch=main');
    for (const content of ['first', 'second']) {
      writeFileSync(join(work, 'file'), content);
      git('add', '.');
      git('commit', '--quiet', '-m', content);
      commit ??= git('rev-parse', 'HEAD').trim();
    }
    git('clone', '--quiet', '--bare', '.', join(base, 'x.git'));
    execFileSync('git', ['update-server-info'], { cwd: join(base, 'x.git') });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(base, { recursive: true, force: true });
  });

  test.each([
    ['', false, 'second'],
    ['main', true, 'second'],
    ['commit', false, 'first'],
  ])('of %j, with its .git: %s', async (ref, keepGitDirectory, content) => {
    const directory = join(base, `out-${ref}`);
    const source = { url, ref: ref === 'commit' ? commit : ref, directory: '' };
    await checkoutGit(linux, source, directory, { keepGitDirectory });
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe(content);
    expect(existsSync(join(directory, '.git'))).toBe(keepGitDirectory);
  });

  test.each([`file://${base}/x.git`, `ext::sh -c touch% ${base}/owned`])(
    'by %s are refused',
    async (from) => {
      const checkout = checkoutGit(linux, { url: from, ref: '', directory: '' }, join(base, 'refused'), {
        keepGitDirectory: false,
      });
      await expect(checkout).rejects.toThrow('not allowed');
      expect(existsSync(join(base, 'owned'))).toBe(false);
      rmSync(join(base, 'refused'), { recursive: true });
    },
  );
});

test.each<[string, object | undefined]>([
  ['https://h/x.git', { url: 'https://h/x.git', ref: '', directory: '' }],
  ['https://h/x.git#v1:a/b/', { url: 'https://h/x.git', ref: 'v1', directory: 'a/b' }],
  ['git@h:x.git#:a', { url: 'git@h:x.git', ref: '', directory: 'a' }],
  ['github.com/a/b', { url: 'https://github.com/a/b', ref: '', directory: '' }],
  ['git://h/x', { url: 'git://h/x', ref: '', directory: '' }],
  ['https://h/x.tar.gz', undefined],
  ['a.txt', undefined],
])('%s', (text, source) => {
  expect(parseGitSource(text)).toEqual(source);
});
