export * from './session-connection';
export * from './session-address';
