export * from './connect-redis';
export type { Redis } from 'ioredis';
