import { Global, Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { ImageDatabase } from './image-database';

@Global()
@Module({
  providers: [
    {
      provide: ImageDatabase,
      inject: [INSTANCE_CONFIG],
      useFactory: (config: InstanceConfig) => new ImageDatabase(config),
    },
  ],
  exports: [ImageDatabase],
})
export class DatabaseModule implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(ImageDatabase) private readonly database: ImageDatabase) {}

  /** The first query of a process takes some hundred milliseconds: not on a user's time. */
  async onModuleInit(): Promise<void> {
    await this.database.image.findFirst({ select: { id: true } });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.$disconnect();
  }
}
