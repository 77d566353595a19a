import type { z } from 'zod';

/** A setting of this process that cannot be used: it says so in one line, and trying again would not help. */
export class SettingError extends Error {}

/** The settings that a schema of environment variables asks for. @throws SettingError that names the first which is wrong */
export function readSettings<T extends z.ZodType>(schema: T, env: NodeJS.ProcessEnv): z.infer<T> {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new SettingError(`${issue?.path.join('.')}: ${issue?.message}`);
}
