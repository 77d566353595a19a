export * from './json-column';
export * from './postgres-pool';
