export * from './signal-number';
