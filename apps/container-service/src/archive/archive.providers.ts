import { ArchiveService } from './archive.service';
import { ContainerViews } from './container-views';

export const ARCHIVE_PROVIDERS = [ArchiveService, ContainerViews];
