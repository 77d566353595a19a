import { cpus, totalmem } from 'node:os';
import { Controller, Delete, Get, HttpCode, Inject, Param, Res } from '@nestjs/common';
import { HealthServiceService, type HealthServiceServer, type HealthStatus } from '@gantry/proto/common';
import { messageOf } from '@gantry/shared/errors';
import { fromJson, Peers } from '@gantry/shared/grpc';
import { EventListeners } from '../events/event-listeners';
import { ImageJobQueue } from '../images/image-jobs';
import type { JobSummary } from '../images/job-summary';
import { ServiceClients } from '../peers/service-clients';
import type { Response } from '../routing/http-messages';
import { ClientGone } from '../routing/parameters';
import type { JsonObject } from '../shaping/json-objects';
import { sendJobProgress } from '../streaming/job-progress';
import { gauges } from './gauges';
import { RequestDurations } from './request-durations';

/** Milliseconds that a service has to say that it is well. */
const HEALTH_DEADLINE_MS = 1_000;

const SERVICES = ['container', 'image', 'network', 'volume'] as const;

/** What is Gantry's own and not Docker's: for operators. */
@Controller()
export class OperationsController {
  private collectingDefaults = false;

  constructor(
    @Inject(Peers) private readonly peers: Peers,
    @Inject(ServiceClients) private readonly clients: ServiceClients,
    @Inject(EventListeners) private readonly listeners: EventListeners,
    @Inject(ImageJobQueue) private readonly queue: ImageJobQueue,
    @Inject(RequestDurations) private readonly durations: RequestDurations,
  ) {}

  /** 200 where all services are well, else 503 and which are not. */
  @Get('gantry/health')
  async health(@Res({ passthrough: true }) response: Response): Promise<object> {
    const services = await Promise.all(SERVICES.map((name) => this.check(name)));
    const healthy = services.every((service) => service.healthy);
    response.statusCode = healthy ? 200 : 503;
    return { healthy, services };
  }

  @Get('gantry/jobs')
  jobs(): Promise<JobSummary[]> {
    return this.queue.list();
  }

  /** Its progress as JSON lines, from the first one on, whichever gateway it was started through. */
  @Get('gantry/jobs/:id')
  async job(
    @Param('id') id: string,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    await sendJobProgress(response, this.queue.follow(id, signal));
  }

  /** Cancels it: whoever follows it gets `context canceled`. Does not wait for its end. */
  @Delete('gantry/jobs/:id')
  @HttpCode(202)
  async cancelJob(@Param('id') id: string): Promise<void> {
    await this.queue.cancel(id);
  }

  @Get('metrics')
  async metrics(@Res() response: Response): Promise<void> {
    const { collectDefaultMetrics, register } = await import('prom-client');
    if (!this.collectingDefaults) collectDefaultMetrics();
    this.collectingDefaults = true;
    response.setHeader('Content-Type', register.contentType);
    const [services, node] = await Promise.all([
      Promise.all(SERVICES.map((name) => this.check(name))),
      this.clients.containers
        .nodeInfo({}, { deadlineMs: HEALTH_DEADLINE_MS })
        .then((document) => fromJson<JsonObject>(document))
        .catch(() => undefined),
    ]);
    const host = { NCPU: cpus().length, MemTotal: totalmem() };
    const now = { services, node: node && { ...host, ...node }, eventListeners: this.listeners.count };
    response.end(this.durations.render() + gauges(now) + (await register.metrics()));
  }

  private async check(name: (typeof SERVICES)[number]): Promise<HealthStatus> {
    const client = this.peers[name].client<HealthServiceServer>(HealthServiceService);
    try {
      return await client.check({}, { deadlineMs: HEALTH_DEADLINE_MS });
    } catch (error) {
      const nothing = { version: '', cpuSeconds: 0, residentBytes: 0 };
      return { ...nothing, healthy: false, service: `${name}-service`, detail: messageOf(error) };
    }
  }
}
