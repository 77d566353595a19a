import { createHash } from 'node:crypto';

/** Changes when what a step does to the same input changes. */
const VERSION = 2;

/**
 * The name of a step's result in the cache: of the step before it, and of whatever else the step depends on, as JSON. What does
 * not stand in `inputs` does not count: times of files, limits, the names of stages.
 */
export function stepKey(parentKey: string, inputs: object): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, parentKey, inputs]))
    .digest('hex');
}

/** The name of an image as the beginning of a stage. `epoch`: see BuildOptions. */
export function baseKey(imageId: string, epoch: number | undefined): string {
  return epoch === undefined ? imageId : `${imageId} ${epoch}`;
}
