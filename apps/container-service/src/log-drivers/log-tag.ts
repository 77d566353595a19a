import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerRecord } from '../records/container-record';

const fields: Record<string, (record: ContainerRecord) => string> = {
  ID: (record) => record.id.slice(0, 12),
  FullID: (record) => record.id,
  Name: (record) => record.name,
  ImageID: (record) => record.imageId.replace('sha256:', '').slice(0, 12),
  ImageFullID: (record) => record.imageId,
  ImageName: (record) => record.config.Image,
  Command: (record) => [record.path, ...record.args].join(' '),
  Hostname: (record) => record.config.Hostname,
  DaemonName: () => 'docker',
  ContainerID: (record) => record.id,
  ContainerName: (record) => `/${record.name}`,
  ContainerImageID: (record) => record.imageId,
  ContainerImageName: (record) => record.config.Image,
};

/** dockerd's, for the drivers that always have a tag. */
export const DEFAULT_TAG = '{{.ID}}';

const ACTION = /\{\{-?\s*\.(\w+)\s*-?\}\}/g;

/** What `tag` gives for a container: a Go template of the fields of dockerd's `logger.Info`. */
export function expandTag(template: string, record: ContainerRecord): string {
  return template.replace(ACTION, (_whole, name: string) => fields[name]?.(record) ?? '');
}

/** @throws InvalidArgument in the words of Go's text/template; for its functions, that they are not there */
export function checkTag(template: string): void {
  for (const [, name = ''] of template.matchAll(ACTION)) {
    if (fields[name]) continue;
    throw invalidArgument(
      `template: log-tag:1:2: executing "log-tag" at <.${name}>: can't evaluate field ${name} in type *logger.Info`,
    );
  }
  const rest = template.replace(ACTION, '');
  if (!rest.includes('{{')) return;
  if (!rest.slice(rest.indexOf('{{')).includes('}}'))
    throw invalidArgument('template: log-tag:1: unclosed action');
  throw invalidArgument(`log tags have fields only, no functions: ${template}`);
}
