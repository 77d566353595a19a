import { LogDeliveries } from '../log-drivers/log-deliveries';
import { LogRotation } from './log-rotation';
import { LogsService } from './logs.service';

export const LOGS_PROVIDERS = [LogDeliveries, LogRotation, LogsService];
