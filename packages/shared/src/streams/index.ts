export * from './large-pieces';
