import { posix } from 'node:path';
import { conflict, messageOf, invalidArgument } from '@gantry/shared/errors';
import type { HostConfig } from '../records/api-documents';
import type { ContainerRecord } from '../records/container-record';
import type { ContainerStore } from '../records/container-store';

interface Link {
  target: ContainerRecord;
  alias: string;
}

/**
 * What `--link name[:alias]` asks for, with the id in place of the name: a link outlives a renaming of its target. On a
 * network of the user's it is an alias, for a container that need not be there yet.
 * @throws InvalidArgument in Docker's words
 */
export function linksById(
  { Links: links, NetworkMode }: Pick<HostConfig, 'Links' | 'NetworkMode'>,
  store: ContainerStore,
): string[] | null {
  return (
    links?.map((link) => {
      const [name = '', alias, ...rest] = link.split(':');
      if (name === '' || alias === '' || rest.length > 0) {
        throw invalidArgument(
          link === '' ? 'empty string specified for links' : `bad format for links: ${link}`,
        );
      }
      const target = targetOf(name, store, NetworkMode !== 'bridge');
      if (NetworkMode === 'bridge' && target?.hostConfig.NetworkMode === 'host') {
        throw invalidArgument(
          "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        );
      }
      return `${target?.id ?? name}:${posix.basename(alias || name)}`;
    }) ?? null
  );
}

function targetOf(name: string, store: ContainerStore, mayBeMissing: boolean): ContainerRecord | undefined {
  try {
    return store.resolve(name);
  } catch (error) {
    if (mayBeMissing) return undefined;
    throw invalidArgument(`could not get container for ${name}: ${messageOf(error)}`);
  }
}

/** The containers that a container's links name; one that was removed took its links with it. */
export function linksOf(record: ContainerRecord, store: ContainerStore): Link[] {
  return (record.hostConfig.Links ?? []).flatMap((link) => {
    const [id = '', alias = ''] = link.split(':');
    const target = store.get(id);
    return target ? [{ target, alias }] : [];
  });
}

/** API: HostConfig.Links, `/target:/container/alias`. */
export function linkDocument(record: ContainerRecord, store: ContainerStore): string[] | null {
  const links = namingLinks(record, store);
  return links.length === 0
    ? null
    : links.map(({ target, alias }) => `/${target.name}:/${record.name}/${alias}`);
}

/** The further names, `/container/alias`, that links give to containers, by the id of the target. */
export function namesByLinks(store: ContainerStore): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const record of store.all()) {
    for (const { target, alias } of namingLinks(record, store)) {
      names.set(target.id, [...(names.get(target.id) ?? []), `/${record.name}/${alias}`]);
    }
  }
  return names;
}

/** A link on a network of the user's gives an alias there, not a further name. */
const namingLinks = (record: ContainerRecord, store: ContainerStore): Link[] =>
  record.hostConfig.NetworkMode === 'bridge' ? linksOf(record, store) : [];

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
