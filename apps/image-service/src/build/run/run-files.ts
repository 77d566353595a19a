import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciMount } from '@gantry/shared/oci';
import type { RunNetwork } from './run-network';

const LOCALHOST = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** Writes /etc/hosts, /etc/hostname and /etc/resolv.conf into `directory`. Returns their mounts. */
export function networkFiles(directory: string, hostname: string, network: RunNetwork): OciMount[] {
  const own = network.address === undefined ? [] : [`${network.address}\t${hostname}`];
  const hosts = network.netns === undefined ? hostLines('/etc/hosts') : LOCALHOST;
  const files = {
    '/etc/resolv.conf': network.resolvConf ?? textOf('/etc/resolv.conf'),
    '/etc/hostname': `${hostname}\n`,
    '/etc/hosts': [...hosts, ...network.hosts, ...own, ''].join('\n'),
  };
  return Object.entries(files).map(([destination, text]) => {
    const source = join(directory, destination.slice('/etc/'.length));
    writeFileSync(source, text);
    return { destination, type: 'bind', source, options: ['rbind', 'rprivate'] };
  });
}

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const hostLines = (path: string): string[] => textOf(path).trimEnd().split('\n');
