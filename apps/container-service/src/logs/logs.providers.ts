import { LogDeliveries } from '../log-drivers/log-deliveries';
import { LogHolds } from './log-holds';
import { LogRotation } from './log-rotation';
import { LogsService } from './logs.service';

export const LOGS_PROVIDERS = [LogHolds, LogDeliveries, LogRotation, LogsService];
