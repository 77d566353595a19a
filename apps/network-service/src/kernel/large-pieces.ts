import { hasCode, type Host, type NetlinkSocket } from '@gantry/shared/linux';

const SIZE = 262_144;

/**
 * How much TCP may hand over at once, in bytes ("BIG TCP"); undefined where the kernel cannot. Four times the usual: what
 * is sent from one side of a bridge to the other costs less than half as much.
 *
 * Only for links behind which there is nothing but containers. A network card that cannot take such pieces would have them
 * cut by the processor, which costs more than was gained: what a container sends may go there, so its own end has the usual
 * size, unless its network has no way out.
 */
export function largePieces(
  host: Pick<Host, 'kernelVersion'>,
  env: NodeJS.ProcessEnv = process.env,
): number | undefined {
  if (env['GANTRY_BIG_TCP'] === '0') return undefined;
  const [major, minor] = host.kernelVersion();
  return major > 6 || (major === 6 && minor >= 3) ? SIZE : undefined;
}

/**
 * Raises links to that size. A bridge takes what its ports take, and has a limit of its own only once it has a port; one to
 * which an operator has given a port that cannot stays as it is.
 */
export function allowLargePieces(
  socket: NetlinkSocket,
  links: readonly (string | number)[],
  gsoMaxSize: number,
): void {
  const smaller = links.flatMap((name) => {
    const link = socket.link(name);
    return link && (link.gsoMaxSize ?? gsoMaxSize) < gsoMaxSize ? [link.index] : [];
  });
  try {
    socket.send(smaller.map((link) => ({ type: 'set-link', link, gsoMaxSize })));
  } catch (error) {
    if (!hasCode(error, 'EINVAL')) throw error;
  }
}
