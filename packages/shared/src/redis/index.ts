export * from './connect-redis';
export * from './in-time';
export type { Redis } from 'ioredis';
