export * from './decompression';
export * from './pack-tree';
export * from './unpack-archive';
