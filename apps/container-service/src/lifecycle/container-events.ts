import { Injectable } from '@nestjs/common';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import type { ContainerRecord } from '../records/container-record';

/** Docker's events of type `container`: with the container's labels, image and name as attributes. Never waits. */
@Injectable()
export class ContainerEvents {
  constructor(private readonly publisher: EventPublisher) {}

  publish(record: ContainerRecord, action: string, attributes: Record<string, string> = {}): void {
    this.publisher.publish(
      engineEvent('container', action, record.id, {
        ...record.config.Labels,
        image: record.config.Image,
        name: record.name,
        ...attributes,
      }),
    );
  }

  publishPrune(reclaimed: number): void {
    this.publisher.publish(engineEvent('container', 'prune', '', { reclaimed: String(reclaimed) }));
  }
}
