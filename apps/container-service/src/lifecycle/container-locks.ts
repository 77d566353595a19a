import { Injectable } from '@nestjs/common';
import { KeyedLock } from '@gantry/shared/locks';

/** One thing at a time is done to a container; what others ask meanwhile happens after it, in their order. */
@Injectable()
export class ContainerLocks extends KeyedLock {}
