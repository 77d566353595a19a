export * from './postgres-pool';
