export * from './label-filter';
