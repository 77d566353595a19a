import { scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { ImageJobs } from '@gantry/shared/queue';
import { subjectOf } from './job-summary';

/** An X-Registry-Auth that names nobody: nothing, and `{}`. */
const NOBODY = ['', 'e30', 'e30='];

/**
 * By what two clients share one pull: the image, the platform and the credentials. Of these only what a slow hash leaves, for it
 * lies in Redis.
 */
export async function sharedPull(data: ImageJobs['pull'], credentials: string): Promise<string> {
  // Short for the domain and the namespace that docker.io goes without.
  const image = subjectOf(data)
    .replace(/^(index\.)?docker\.io\//, '')
    .replace(/^library\//, '');
  const who = NOBODY.includes(credentials) ? '' : (await slowHash(credentials, image)).toString('hex');
  // No colon in it: BullMQ makes a key of it.
  return Buffer.from(JSON.stringify(['pull', image, data.platform, who])).toString('base64url');
}

const slowHash = (text: string, salt: string): Promise<Buffer> =>
  (promisify(scrypt) as (text: string, salt: string, length: number) => Promise<Buffer>)(text, salt, 16);
