/** The files of a layer's directory `overlay2/<layer-id>`; the first four are as in dockerd's. */
export const LAYER_DIFF = 'diff';
export const LAYER_LINK = 'link';
export const LAYER_LOWER = 'lower';
/** JSON of LayerRecord, written last: a directory without it is unfinished. */
export const LAYER_COMMITTED = 'committed';
/** There until the layer is surely on disk; its content is the boot of the host that wrote it. */
export const LAYER_UNFLUSHED = 'unflushed';
/** What is needed to make the archive again from diff/. */
export const LAYER_SPLIT = 'tar-split.gz';
/** The archive itself, where that is not possible. */
export const LAYER_TAR = 'layer.tar.gz';
/** Mount points every container needs, between the image and the container's own layer. */
export const LAYER_INIT = 'init';

/** Short names of layers, so that many fit into the mount options. */
export const LINKS = 'l';
/** Layers being unpacked. */
export const TEMPORARY_PREFIX = '.tmp-';
/** What is being deleted. */
export const REMOVING_PREFIX = '.removing-';
