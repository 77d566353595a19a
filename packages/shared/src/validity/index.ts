export * from './file-stamp';
