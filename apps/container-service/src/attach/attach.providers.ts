import { AttachService } from './attach.service';
import { ContainerStreams } from './container-streams';

export const ATTACH_PROVIDERS = [AttachService, ContainerStreams];
