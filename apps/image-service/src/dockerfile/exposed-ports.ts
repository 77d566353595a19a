import { SyntaxFailure } from './parse-failure';

const PORT = /^(\d+)(?:-(\d+))?$/;

/**
 * The container's side of what `docker run -p` takes, `80`, `8000-8002/udp`, `1.2.3.4:80:90`, as `90/tcp` and so on.
 * @throws SyntaxFailure as dockerd words it
 */
export function exposedPorts(text: string): string[] {
  const [ports = '', protocol = 'tcp', ...more] = text.split('/');
  const port = ports.slice(ports.lastIndexOf(':') + 1);
  const [, from, to = from] = PORT.exec(port) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (more.length > 0 || port === '') throw new SyntaxFailure(`no port specified: ${text}<empty>`);
  if (from === undefined || first > 65535 || last > 65535 || last < first) {
    throw new SyntaxFailure(`invalid containerPort: ${port}`);
  }
  if (!/^(?:tcp|udp|sctp)$/i.test(protocol)) throw new SyntaxFailure(`invalid proto: ${protocol}`);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol.toLowerCase()}`);
}
