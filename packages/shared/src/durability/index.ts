export * from './late-sync';
