export * from './prune-turn';
