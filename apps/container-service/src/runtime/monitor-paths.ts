import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { containerGroup } from './cgroup-names';

/** Where the files of a container and of its monitor (conmon) are. */
@Injectable()
export class MonitorPaths {
  constructor(@Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig) {}

  /** All containers of this instance, one directory each. */
  get containers(): string {
    return join(this.config.dataRoot, 'containers');
  }
  /** Sockets, exit files and runtime state; gone after a reboot, as the processes are. */
  get volatile(): string {
    return join(this.config.runDir, 'containers');
  }
  /** One file a container that ended, its name the id, its content the exit code in decimal. Removed once taken. */
  get exits(): string {
    return join(this.volatile, 'exits');
  }
  /** conmon's `--socket-dir-path`: holds a link `<id>` to each bundle. */
  get sockets(): string {
    return join(this.volatile, 'sockets');
  }
  /** `--root` of an OCI runtime. */
  runtimeRoot(runtime: string): string {
    return join(this.volatile, 'runtimes', runtime);
  }

  /** The container's directory, which is the OCI bundle too. */
  bundle(id: string): string {
    return join(this.containers, id);
  }
  record(id: string): string {
    return join(this.bundle(id), 'container.json');
  }
  /** The OCI specification of the last start. */
  spec(id: string): string {
    return join(this.bundle(id), 'config.json');
  }
  /** conmon's k8s-file log: `time stream F|P text`. */
  log(id: string): string {
    return join(this.bundle(id), 'container.log');
  }
  /** What the log driver json-file writes; LogPath in inspect. */
  jsonLog(id: string): string {
    return join(this.bundle(id), `${id}-json.log`);
  }
  /** How far the monitor's log has been delivered to the log driver. */
  logDelivery(id: string): string {
    return join(this.bundle(id), 'log-delivery.json');
  }
  /** SOCK_SEQPACKET; there from before the beforeStart hook until the container ended. conmon's link may have a shorter name. */
  attachSocket(id: string): string {
    return join(this.bundle(id), 'attach');
  }
  /** FIFO: `1 ROWS COLS\n` sets the terminal's size, `2 0 0\n` reopens the log. */
  control(id: string): string {
    return join(this.bundle(id), 'ctl');
  }
  hostname(id: string): string {
    return join(this.bundle(id), 'hostname');
  }
  hosts(id: string): string {
    return join(this.bundle(id), 'hosts');
  }
  resolvConf(id: string): string {
    return join(this.bundle(id), 'resolv.conf');
  }
  /** Of what we wrote into it last, so that a change by the container is noticed. */
  resolvConfHash(id: string): string {
    return join(this.bundle(id), 'resolv.conf.hash');
  }
  /** Below the root of every cgroup hierarchy. `parent`: of `--cgroup-parent`. */
  cgroup(id: string, parent = ''): string {
    return containerGroup(this.config, id, parent);
  }
}
