import { isIP } from 'node:net';
import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerConfig, HostConfig } from '../records/api-documents';

/**
 * What a Go engine refuses of ports while it reads the document; ranges of them are for clients to spell out.
 * @throws InvalidArgument in Docker's words
 */
export function checkPortNames(
  exposed: ContainerConfig['ExposedPorts'] | null,
  bindings: HostConfig['PortBindings'] | undefined,
): void {
  for (const name of [...Object.keys(exposed ?? {}), ...Object.keys(bindings ?? {})]) checkPortName(name);
  for (const { HostIp } of Object.values(bindings ?? {}).flatMap((list) => list ?? [])) {
    if (HostIp && isIP(HostIp) === 0) {
      throw invalidArgument(`invalid JSON: ParseAddr(${JSON.stringify(HostIp)}): unable to parse IP`);
    }
  }
}

function checkPortName(name: string): void {
  const port = name.split('/')[0] ?? '';
  if (port === '') return;
  const wrong = (why: string) => invalidArgument(`invalid JSON: invalid port '${port}': ${why}`);
  if (!/^\d+$/.test(port)) throw wrong('invalid syntax');
  if (Number(port) > 65_535) throw wrong('value out of range');
}
