import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerEvents } from '../lifecycle/container-events';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { millisOf } from '../records/timestamps';
import { healthCheckOf, type HealthCheck } from './health-config';
import { HealthProbe } from './health-probe';
import { applyResult, nextCheck, startingHealth } from './health-state';

/** Checks the health of running containers (API: HealthConfig, Health). */
@Injectable()
export class HealthMonitor implements OnApplicationShutdown {
  /** The one run of each container that is being checked. */
  private readonly runs = new Map<string, { timer?: NodeJS.Timeout }>();

  constructor(
    private readonly store: ContainerStore,
    private readonly probe: HealthProbe,
    private readonly events: ContainerEvents,
    lifecycle: ContainerLifecycleEvents,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    lifecycle.listen({
      started: (record) => this.begin(record),
      adopted: (record) => this.begin(record, true),
      exited: (record) => this.end(record),
      removed: (record) => this.stop(record.id),
    });
  }

  onApplicationShutdown(): void {
    for (const id of [...this.runs.keys()]) this.stop(id);
  }

  private begin(record: ContainerRecord, goOn = false): void {
    const check = healthCheckOf(record.config);
    this.stop(record.id);
    if (!check) return;
    if (!goOn || !record.state.Health) {
      record.state.Health = startingHealth(record.state.Health);
      this.save(record);
    }
    this.probe.prepare(record, check);
    const run = {};
    this.runs.set(record.id, run);
    this.schedule(record, check, run);
  }

  /** A container that does not run is unhealthy, says dockerd. */
  private end(record: ContainerRecord): void {
    if (!this.stop(record.id) || !record.state.Health) return;
    record.state.Health.Status = 'unhealthy';
    this.save(record);
  }

  private stop(id: string): boolean {
    const run = this.runs.get(id);
    clearTimeout(run?.timer);
    return this.runs.delete(id);
  }

  private schedule(record: ContainerRecord, check: HealthCheck, run: { timer?: NodeJS.Timeout }): void {
    const { Health: health } = record.state;
    if (!health) return;
    run.timer = setTimeout(
      () =>
        void this.check(record, check, run).catch((error: unknown) =>
          this.logger.warn({ err: error, container: record.id }, 'health check failed to run'),
        ),
      nextCheck(check, health, ageOf(record)),
    );
    run.timer.unref();
  }

  private async check(
    record: ContainerRecord,
    check: HealthCheck,
    run: { timer?: NodeJS.Timeout },
  ): Promise<void> {
    try {
      if (record.state.Paused) return;
      const age = ageOf(record);
      const result = await this.probe.run(record, check);
      const { Health: health } = record.state;
      // The container ended, or was started anew, while the check ran.
      if (this.runs.get(record.id) !== run || !health) return;
      const changed = applyResult(health, result, check, age);
      if (changed) this.events.publish(record, `health_status: ${health.Status}`);
      this.save(record, changed);
    } finally {
      if (this.runs.get(record.id) === run) this.schedule(record, check, run);
    }
  }

  /** Streak and log as well: the next life of this service goes on from there. */
  private save(record: ContainerRecord, isStatus = true): void {
    if (this.store.get(record.id) !== record) return;
    if (isStatus) void this.store.settle(record);
    else this.store.note(record).catch(() => void this.store.settle(record));
  }
}

const ageOf = (record: ContainerRecord): number => Date.now() - millisOf(record.state.StartedAt);
