import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { refuseLinkLocal } from '../registry/transport';
import type { GitSource } from './git-source';

/** For one command of git. Milliseconds. */
const TIMEOUT_MS = 10 * 60_000;
/** Repositories can ask for helpers to be run: only the network's own protocols, no hooks, no configuration of the host. */
const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  GIT_ALLOW_PROTOCOL: 'git:http:https:ssh',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'core.hooksPath',
  GIT_CONFIG_VALUE_0: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_SSH_COMMAND: 'ssh -o BatchMode=yes',
};

/**
 * Checks a repository out, submodules too, into the new directory `directory`; without `keepGitDirectory` there is no `.git`
 * in it. @throws InvalidArgument with what git says
 */
export async function checkoutGit(
  linux: Pick<Linux, 'processes'>,
  source: GitSource,
  directory: string,
  { keepGitDirectory, signal }: { keepGitDirectory: boolean; signal?: AbortSignal },
): Promise<void> {
  const ref = source.ref || 'HEAD';
  if (/^https?:/.test(source.url)) refuseLinkLocal(new URL(source.url));
  mkdirSync(directory, { mode: 0o755 });
  const tryGit = async (...args: string[]) => {
    signal?.throwIfAborted();
    return linux.processes.run(['git', '-C', directory, ...args], {
      env: { ...ENVIRONMENT, HOME: directory },
      timeoutMs: TIMEOUT_MS,
    });
  };
  const git = async (...args: string[]): Promise<void> => {
    const { code, stderr, timedOut } = await tryGit(...args);
    if (code === 0) return;
    const reason = timedOut ? `took longer than ${TIMEOUT_MS / 60_000} minutes` : stderr.trim();
    throw invalidArgument(`unable to 'git clone' to temporary context directory: error fetching: ${reason}`);
  };
  await git('init', '--quiet');
  await git('remote', 'add', 'origin', source.url);
  // A commit that no branch is at, or a server that is only files, is not to be had in part.
  const shallow = await tryGit('fetch', '--quiet', '--depth', '1', 'origin', ref);
  if (shallow.code === 0) await git('checkout', '--quiet', 'FETCH_HEAD');
  else {
    await git('fetch', '--quiet', '--tags', 'origin', '+refs/heads/*:refs/remotes/origin/*', 'HEAD');
    const found = await tryGit('checkout', '--quiet', source.ref === '' ? 'FETCH_HEAD' : ref);
    if (found.code !== 0) await git('checkout', '--quiet', `origin/${ref}`);
  }
  await git('submodule', 'update', '--quiet', '--init', '--recursive', '--depth', '1');
  if (!keepGitDirectory) rmSync(join(directory, '.git'), { recursive: true, force: true });
}
