export * from './small-archive';
export * from './tar-header';
export * from './tar-reader';
export * from './tar-writer';
