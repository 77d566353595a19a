import { HealthMonitor } from './health-monitor';
import { HealthProbe } from './health-probe';

export const HEALTH_PROVIDERS = [HealthMonitor, HealthProbe];
