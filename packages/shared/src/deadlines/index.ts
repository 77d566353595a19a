export * from './within';
