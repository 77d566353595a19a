export * from './engine-error';
export * from './http-status';
