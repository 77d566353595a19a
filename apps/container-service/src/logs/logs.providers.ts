import { LogRotation } from './log-rotation';
import { LogsService } from './logs.service';

export const LOGS_PROVIDERS = [LogRotation, LogsService];
