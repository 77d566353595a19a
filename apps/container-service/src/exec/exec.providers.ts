import { ExecExits } from './exec-exits';
import { ExecFiles } from './exec-files';
import { ExecMonitor } from './exec-monitor';
import { ExecService } from './exec.service';
import { ExecShell } from './exec-shell';
import { ExecStore } from './exec-store';
import { ExecTerminal } from './exec-terminal';

export const EXEC_PROVIDERS = [
  ExecExits,
  ExecFiles,
  ExecMonitor,
  ExecService,
  ExecShell,
  ExecStore,
  ExecTerminal,
];
