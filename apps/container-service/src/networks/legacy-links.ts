import { posix } from 'node:path';
import { conflict } from '@gantry/shared/errors';
import type { ContainerRecord } from '../records/container-record';
import type { ContainerStore } from '../records/container-store';

interface Link {
  target: ContainerRecord;
  alias: string;
}

/** The containers that `--link name[:alias]` on the default bridge names. */
export function linksOf(record: ContainerRecord, store: ContainerStore): Link[] {
  return (record.hostConfig.Links ?? []).map((link) => {
    const [name = '', alias] = link.split(':');
    const target = store.resolve(name);
    return { target, alias: posix.basename(alias ?? name) };
  });
}

/** The variables that a link brings into the environment, as Docker has named them since 0.6. */
export function linkEnvironment(record: ContainerRecord, links: Link[]): string[] {
  return links.flatMap(({ target, alias }) => {
    if (!target.state.Running) {
      throw conflict(`Cannot link to a non running container: /${target.name} AS /${record.name}/${alias}`);
    }
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    const address = target.networkSettings.Networks?.['bridge']?.IPAddress ?? '';
    const ports = Object.keys(target.config.ExposedPorts ?? {})
      .map((port) => port.split('/') as [string, string?])
      .sort((a, b) => Number(a[0]) - Number(b[0]));
    const variables = ports.flatMap(([number, protocol = 'tcp'], index) => {
      const url = `${protocol}://${address}:${number}`;
      const name = `${prefix}_PORT_${number}_${protocol.toUpperCase()}`;
      return [
        ...(index === 0 ? [`${prefix}_PORT=${url}`] : []),
        `${name}=${url}`,
        `${name}_ADDR=${address}`,
        `${name}_PORT=${number}`,
        `${name}_PROTO=${protocol}`,
      ];
    });
    const environment = (target.config.Env ?? [])
      .filter((entry) => !/^(HOME|PATH)=/.test(entry))
      .map((entry) => `${prefix}_ENV_${entry}`);
    return [...variables, `${prefix}_NAME=/${record.name}/${alias}`, ...environment];
  });
}
