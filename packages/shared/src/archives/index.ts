export * from './decompressed';
export * from './pack-tree';
export * from './unpack-archive';
