import { ExecExits } from './exec-exits';
import { ExecMonitor } from './exec-monitor';
import { ExecService } from './exec.service';
import { ExecStore } from './exec-store';

export const EXEC_PROVIDERS = [ExecExits, ExecMonitor, ExecService, ExecStore];
