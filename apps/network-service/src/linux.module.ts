import { Global, Module } from '@nestjs/common';
import { createLinux, LINUX } from '@gantry/shared/linux';

/** The Linux port of the main thread; the network thread has its own. */
@Global()
@Module({ providers: [{ provide: LINUX, useFactory: createLinux }], exports: [LINUX] })
export class LinuxModule {}
