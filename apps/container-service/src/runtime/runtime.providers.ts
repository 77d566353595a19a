import { Conmon } from './conmon';
import { EmptySlices } from './empty-slices';
import { ExitWatch } from './exit-watch';
import { MonitorPaths } from './monitor-paths';
import { OciRuntime } from './oci-runtime';
import { Runtimes } from './runtimes';

export const RUNTIME_PROVIDERS = [MonitorPaths, Runtimes, Conmon, EmptySlices, OciRuntime, ExitWatch];
