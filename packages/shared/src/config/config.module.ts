import { Global, Module } from '@nestjs/common';
import { loadInstanceConfig } from './instance-config';

/** DI token of the InstanceConfig. */
export const INSTANCE_CONFIG = Symbol('InstanceConfig');

@Global()
@Module({
  providers: [{ provide: INSTANCE_CONFIG, useFactory: () => loadInstanceConfig() }],
  exports: [INSTANCE_CONFIG],
})
export class InstanceConfigModule {}
