export * from './apparmor-profile';
export * from './capabilities';
export * from './container-user';
export * from './device-rules';
export * from './masked-paths';
export * from './oci-spec';
export * from './process-environment';
export * from './runtime-errors';
