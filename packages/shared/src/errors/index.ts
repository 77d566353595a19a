export * from './engine-error';
export * from './grpc-status';
export * from './http-status';
