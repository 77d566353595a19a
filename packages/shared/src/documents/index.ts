export * from './endpoint-settings';
export * from './field-types';
