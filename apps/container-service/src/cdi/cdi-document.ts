import { z } from 'zod';

/**
 * A file of the Container Device Interface (tags.cncf.io/container-device-interface, SPEC.md, up to version 1.0): what has
 * to be done to a container for it to have a device.
 */

const deviceNode = z.object({
  path: z.string().startsWith('/'),
  hostPath: z.string().startsWith('/').optional(),
  type: z.enum(['b', 'c', 'u', 'p']).optional(),
  major: z.number().int().optional(),
  minor: z.number().int().optional(),
  fileMode: z.number().int().optional(),
  permissions: z
    .string()
    .regex(/^[rwm]{1,3}$/)
    .optional(),
  uid: z.number().int().nonnegative().optional(),
  gid: z.number().int().nonnegative().optional(),
});

const mount = z.object({
  hostPath: z.string().min(1),
  containerPath: z.string().startsWith('/'),
  type: z.string().optional(),
  options: z.array(z.string()).optional(),
});

export const HOOK_NAMES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

const hook = z.object({
  hookName: z.enum(HOOK_NAMES),
  path: z.string().startsWith('/'),
  args: z.array(z.string()).optional(),
  env: z.array(z.string().includes('=')).optional(),
  timeout: z.number().int().optional(),
});

const intelRdt = z.object({
  closID: z.string().optional(),
  l3CacheSchema: z.string().optional(),
  memBwSchema: z.string().optional(),
  enableCMT: z.boolean().optional(),
  enableMBM: z.boolean().optional(),
});

// Strict: an edit that is not known here would be left out in silence.
const edits = z.strictObject({
  env: z.array(z.string().includes('=')).optional(),
  deviceNodes: z.array(deviceNode).optional(),
  mounts: z.array(mount).optional(),
  hooks: z.array(hook).optional(),
  intelRdt: intelRdt.optional(),
  additionalGids: z.array(z.number().int().nonnegative()).optional(),
});

const NAME = /^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;

const device = z.object({
  name: z.string().regex(NAME),
  annotations: z.record(z.string(), z.string()).optional(),
  containerEdits: edits,
});

export const cdiDocument = z.object({
  cdiVersion: z.string().regex(/^v?\d+\.\d+\.\d+$/),
  /** `vendor.com/class`. */
  kind: z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]\/[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]$/),
  annotations: z.record(z.string(), z.string()).optional(),
  devices: z.array(device).min(1),
  containerEdits: edits.optional(),
});

export type CdiDocument = z.infer<typeof cdiDocument>;
export type CdiEdits = z.infer<typeof edits>;
export type CdiDeviceNode = z.infer<typeof deviceNode>;
export type CdiHook = z.infer<typeof hook>;

/** `vendor.com/class=name`. */
export const QUALIFIED_NAME = /^([^/=]+\/[^/=]+)=(.+)$/;
