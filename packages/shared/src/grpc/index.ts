export * from './client';
export * from './documents';
export * from './method-types';
export * from './peers.module';
export * from './run-service';
export * from './server';
export * from './write-stream';
