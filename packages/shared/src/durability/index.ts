export * from './late-sync';
export * from './sync-path';
