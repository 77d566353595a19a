import { z } from 'zod';
import { listSetting, readSettings, SettingError } from '@gantry/shared/config';

const environment = z.object({ GANTRY_LABELS: listSetting });

/** API: SystemInfo.Labels, from GANTRY_LABELS. @throws SettingError in dockerd's words for what is no label, or two of a key */
export function engineLabels(env: NodeJS.ProcessEnv = process.env): string[] {
  const labels = readSettings(environment, env).GANTRY_LABELS;
  const known = new Map<string, string>();
  for (const label of labels) {
    const [, key] = /^([^=]+)=/.exec(label) ?? [];
    if (key === undefined) throw new SettingError(`GANTRY_LABELS: bad attribute format: ${label}`);
    const other = known.get(key);
    if (other !== undefined && other !== label) {
      throw new SettingError(`GANTRY_LABELS: conflict labels for ${label} and ${other}`);
    }
    known.set(key, label);
  }
  return [...known.values()];
}
