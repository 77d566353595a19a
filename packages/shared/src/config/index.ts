export * from './instance-config';
export * from './config.module';
export * from './user-remap';
export * from './settings';
export * from './dns-defaults';
