import { Controller, Get, Head, Inject, Res } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { invalidArgument, isKind, messageOf } from '@gantry/shared/errors';
import { fromJson } from '@gantry/shared/grpc';
import { GATEWAY_CONFIG, type GatewayConfig } from '../config';
import { EventListeners } from '../events/event-listeners';
import { ServiceClients } from '../peers/service-clients';
import type { Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { type CollectedUsage, shapeDiskUsage, type UsageType } from '../shaping/disk-usage';
import type { JsonObject } from '../shaping/json-objects';
import { shapeSystemInfo } from '../shaping/system-documents';
import { type Component, engineVersion } from './engine-version';
import { systemInfo } from './system-info';

const PING_HEADERS = {
  'Builder-Version': '1',
  Swarm: 'inactive',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  'Content-Type': 'text/plain; charset=utf-8',
};

/** How long a service may take to tell its part of what has to be answered without it, too. Milliseconds. */
const PART_MS = 5_000;

const USAGE_TYPES: readonly UsageType[] = ['container', 'image', 'volume', 'build-cache'];

/** API, tag System, without the events. */
@Controller()
export class SystemController {
  constructor(
    @Inject(ServiceClients) private readonly services: ServiceClients,
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(GATEWAY_CONFIG) private readonly gateway: GatewayConfig,
    @Inject(EventListeners) private readonly listeners: EventListeners,
  ) {}

  @Head('_ping')
  pingHead(@Res() response: Response): void {
    response.writeHead(200, { ...PING_HEADERS, 'Content-Length': 0 }).end();
  }

  @Get('_ping')
  ping(@Res() response: Response): void {
    response.writeHead(200, { ...PING_HEADERS, 'Content-Length': 2 }).end('OK');
  }

  /** Also while container-service is away, then without what it runs containers with. */
  @Get('version')
  async version(): Promise<object> {
    const node = await this.services.containers.nodeInfo({}, { deadlineMs: PART_MS }).catch(() => undefined);
    const components = node ? fromJson<{ Components?: Component[] }>(node).Components : undefined;
    return engineVersion(components ?? [], this.gateway.experimental);
  }

  /** Also while services are away: a warning says whose part is missing. */
  @Get('info')
  async info(@ApiMinor() minor: number): Promise<JsonObject> {
    const { containers, images, networks, volumes } = this.services;
    const missing: string[] = [];
    const part = <T>(asked: Promise<T>): Promise<T | undefined> =>
      asked.catch((error: unknown) => {
        if (!isKind(error, 'Unavailable')) throw error;
        missing.push(`WARNING: ${messageOf(error)}`);
        return undefined;
      });
    const settings = { deadlineMs: PART_MS };
    const [node, counted, drivers, network] = await Promise.all([
      part(containers.nodeInfo({}, settings)),
      part(images.count({}, settings)),
      part(volumes.drivers({}, settings)),
      part(networks.nodeInfo({}, settings)),
    ]);
    const parts = {
      node: node && fromJson<JsonObject>(node),
      images: counted?.images,
      driverStatus: counted && fromJson(counted.driverStatus),
      registryConfig: counted && fromJson(counted.registryConfig),
      network: network && fromJson<JsonObject>(network),
      volumeDrivers: drivers?.names,
      missing,
      eventListeners: this.listeners.count,
    };
    return shapeSystemInfo(systemInfo(this.config, this.gateway, parts), minor);
  }

  @Get('system/df')
  async diskUsage(@ApiQuery() query: QueryParameters, @ApiMinor() minor: number): Promise<JsonObject> {
    const asked = minor < 42 ? [] : query.list('type');
    const unknown = asked.find((type) => !(USAGE_TYPES as readonly string[]).includes(type));
    if (unknown !== undefined) throw invalidArgument(`unknown object type: ${unknown}`);
    const wants = (type: UsageType) => asked.length === 0 || asked.includes(type);
    return shapeDiskUsage(await this.collectUsage(wants), minor, query.flag('verbose'));
  }

  private async collectUsage(wants: (type: UsageType) => boolean): Promise<CollectedUsage> {
    const { buildCache, images, containers, volumes } = this.services;
    const [imageUsage, containerUsage, volumeUsage, cacheUsage] = await Promise.all([
      wants('image') ? images.diskUsage({}) : undefined,
      wants('container') ? containers.diskUsage({}) : undefined,
      wants('volume') ? volumes.diskUsage({}) : undefined,
      wants('build-cache') ? buildCache.list({}) : undefined,
    ]);
    return {
      images: imageUsage && fromJson(imageUsage),
      containers: containerUsage && fromJson(containerUsage),
      volumes: volumeUsage && fromJson(volumeUsage),
      buildCache: cacheUsage && fromJson(cacheUsage),
    };
  }
}
