import { startFailure } from './runtime-errors';

describe('startFailure', () => {
  it.each([
    [
      'nonesuch',
      'executable file `nonesuch` not found in $PATH: No such file or directory',
      127,
      'executable file not found in $PATH',
    ],
    [
      '/no/such',
      'executable file `/no/such` not found: No such file or directory',
      127,
      'no such file or directory',
    ],
    ['/bin/noexec', 'open executable: Permission denied', 126, 'permission denied'],
    [
      'nonesuch',
      'time="2026-01-01T00:00:00Z" level=error msg="runc create failed: unable to start container process: exec: \\"nonesuch\\": executable file not found in $PATH"',
      127,
      'executable file not found in $PATH',
    ],
  ])('%s: %s', (program, output, exitCode, words) => {
    const failure = startFailure(output, [program]);
    expect(failure.exitCode).toBe(exitCode);
    expect(failure.error.kind).toBe('InvalidArgument');
    expect(failure.error.message).toContain(words);
  });

  it('asks where a directory and a file were taken for each other, as dockerd', () => {
    const failure = startFailure('mount `/etc/hostname` to `data`: Not a directory', ['sh']);
    expect(failure.error.kind).toBe('InvalidArgument');
    expect(failure.error.message).toContain(
      'to `data`: Not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)?',
    );
    expect(failure.exitCode).toBe(127);
  });

  it('does not take a missing control file for a missing program', () => {
    const failure = startFailure('opening file `blkio.weight` for writing: No such file or directory', [
      'sh',
    ]);
    expect(failure.error.message).toContain('opening file `blkio.weight`');
  });

  it('keeps what it does not know', () => {
    const failure = startFailure('mount `proc` to `proc`: Operation not permitted', ['sh']);
    expect(failure.error.message).toContain('mount `proc` to `proc`: Operation not permitted');
    expect(failure.exitCode).toBe(128);
  });
});
