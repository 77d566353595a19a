export * from './instance-config';
export * from './config.module';
