import type { Linux } from '@gantry/shared/linux';
import { adoptUpper } from './adopt-upper';
import type { SourceWatch } from './layer-source';
import type { LayerTask } from './layer-task';
import { unpackLayer, type UnpackedLayer } from './unpack-layer';

/** Does a task in the thread that calls it. */
export async function makeLayer(
  linux: Linux,
  { source, directory, limits }: LayerTask,
  watch: SourceWatch = {},
): Promise<UnpackedLayer> {
  if (source.kind === 'adopted') return adoptUpper(linux, { source, directory, limits }, watch.signal);
  return unpackLayer(linux, { source, directory, limits }, watch);
}
