export * from './boot-id';
export * from './fault-point';
