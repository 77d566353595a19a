export * from './engine-event';
export * from './event-stream';
export * from './events.module';
