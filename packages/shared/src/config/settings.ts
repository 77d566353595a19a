import { z } from 'zod';

/** A setting of this process that cannot be used: it says so in one line, and trying again would not help. */
export class SettingError extends Error {}

/** A list: items separated by commas, or JSON where an item has one. */
export const listSetting = z
  .string()
  .default('')
  .transform((text, context) =>
    text.trim().startsWith('[') ? ofJson(text, strings, context) : text.split(','),
  )
  .transform((items) => items.map((item) => item.trim()).filter((item) => item !== ''));

/** Names with values, as JSON. */
export const mapSetting = z
  .string()
  .default('')
  .transform((text, context) =>
    text.trim() === '' ? {} : ofJson(text, z.record(z.string(), z.string()), context),
  );

/** `0` or `1`. */
export const flagSetting = (absent: boolean) =>
  z
    .enum(['0', '1', ''])
    .optional()
    .transform((value) => (value ? value === '1' : absent));

const strings = z.array(z.string());

function ofJson<T>(text: string, schema: z.ZodType<T>, context: z.RefinementCtx): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    context.addIssue({ code: 'custom', message: `${text} is not JSON of the form that it takes` });
    return z.NEVER;
  }
}

/** The settings that a schema of environment variables asks for. @throws SettingError that names the first which is wrong */
export function readSettings<T extends z.ZodType>(schema: T, env: NodeJS.ProcessEnv): z.infer<T> {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new SettingError(`${issue?.path.join('.')}: ${issue?.message}`);
}
