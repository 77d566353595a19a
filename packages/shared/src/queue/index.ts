export * from './job-queue';
export * from './job-progress';
export * from './job-watch';
