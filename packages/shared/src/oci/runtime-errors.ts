import { EngineError, internal, invalidArgument } from '../errors';

/** Why a container did not start: the error for the caller and the exit code that its state shows. */
export interface StartFailure {
  error: EngineError;
  exitCode: number;
}

/** How dockerd begins to say that a container was not made. */
export const CREATE_PREFIX =
  'failed to create task for container: failed to create shim task: OCI runtime create failed: runtime create failed: ' +
  'unable to start container process: ';

const WRONG_KIND_OF_MOUNT =
  'Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the ' +
  'expected type';

/**
 * The words of crun or runc as Docker's, which clients look into: the CLI makes exit code 127 of "executable file not
 * found" and "no such file or directory", 126 of "permission denied" and "is a directory".
 */
export function startFailure(
  output: string,
  args: readonly string[],
  prefix: string = CREATE_PREFIX,
): StartFailure {
  const program = args[0] ?? '';
  const said = lastLine(output);
  const refused = (reason: string, exitCode: number): StartFailure => ({
    error: invalidArgument(`${prefix}exec: ${JSON.stringify(program)}: ${reason}: unknown`),
    exitCode,
  });
  if (/executable file .*not found in \$PATH/i.test(said)) {
    return program.includes('/')
      ? refused(`stat ${program}: no such file or directory`, 127)
      : refused('executable file not found in $PATH', 127);
  }
  const aboutProgram =
    said.includes(`\`${program}\``) || said.includes(`"${program}"`) || /^(open executable|exec)/.test(said);
  if (aboutProgram && /no such file or directory/i.test(said)) {
    return refused(`stat ${program}: no such file or directory`, 127);
  }
  if (/is a directory/i.test(said)) return refused('is a directory', 126);
  // EPERM is what crun 1.8 says of a directory.
  if (aboutProgram && /permission denied|operation not permitted/i.test(said))
    return refused('permission denied', 126);
  const directory = /^chdir `(.*)`: No such file or directory/i.exec(said)?.[1];
  if (directory !== undefined) {
    const reason = `chdir to cwd (${JSON.stringify(directory)}) set in config.json failed: no such file or directory`;
    return { error: invalidArgument(`${prefix}${reason}: unknown`), exitCode: 126 };
  }
  const beforeProcess = prefix.slice(0, prefix.indexOf('unable'));
  if (/not a directory/i.test(said)) {
    return {
      error: invalidArgument(`${beforeProcess}${said}: unknown: ${WRONG_KIND_OF_MOUNT}`),
      exitCode: 127,
    };
  }
  const exitCode = /no such file or directory/i.test(said)
    ? 127
    : /permission denied/i.test(said)
      ? 126
      : 128;
  const message = `${beforeProcess}${said}: unknown`;
  return { error: exitCode === 128 ? internal(message) : invalidArgument(message), exitCode };
}

/** crun may print warnings before what counts; both begin lines with a time and a level at times. */
function lastLine(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  const structured = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  return (structured?.replace(/\\"/g, '"') ?? line).replace(/^\S*Z?: ?error: /i, '').trim();
}
