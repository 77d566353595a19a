import type { Dockerfile } from '../dockerfile/dockerfile';
import { descriptionOf, locationOf, type Report, reportOf, type Source, table } from './report';

/** `frontend.targets`: the stages there are. */
export function targetsReport({ stages }: Dockerfile, source: Source): Report {
  const targets = stages.map(({ name, base, platform, origin }, index) => {
    const description = descriptionOf(source, origin, name);
    return {
      ...(name && { name }),
      ...(index === stages.length - 1 && { default: true }),
      ...(description && { description }),
      base,
      ...(platform && { platform }),
      location: locationOf(origin),
    };
  });
  const rows = targets.map(({ name = '', default: isDefault, description = '' }) => [
    isDefault ? `${name} (default)`.trimStart() : name,
    description,
  ]);
  const document = { targets, sources: [Buffer.from(source.text).toString('base64')] };
  return reportOf(document, table([['TARGET', 'DESCRIPTION'], ...rows], 1));
}
