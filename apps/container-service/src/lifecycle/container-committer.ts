import { Injectable } from '@nestjs/common';
import { conflict } from '@gantry/shared/errors';
import { toJson } from '@gantry/shared/grpc';
import type { CommitContainerRequest } from '@gantry/proto/container';
import type { ContainerConfig } from '../records/api-documents';
import { ContainerStore } from '../records/container-store';
import { ServicePeers } from '../service-peers';
import { ContainerEvents } from './container-events';
import { ContainerPauser } from './container-pauser';

/** `docker commit`. */
@Injectable()
export class ContainerCommitter {
  constructor(
    private readonly store: ContainerStore,
    private readonly pauser: ContainerPauser,
    private readonly peers: ServicePeers,
    private readonly events: ContainerEvents,
  ) {}

  /** Returns the id of the image. */
  async commit(request: CommitContainerRequest): Promise<string> {
    const record = this.store.resolve(request.container);
    const { state } = record;
    if (record.removal) throw conflict(`You cannot commit container ${record.id} which is being removed`);
    const pause = request.pause && state.Running && !state.Paused && !state.Restarting;
    if (pause) await this.pauser.pause(record.id);
    try {
      const { imageId, reference } = await this.peers.images.commit({
        containerId: record.id,
        repository: request.repository,
        tag: request.tag,
        author: request.author,
        comment: request.comment,
        changes: request.changes,
        containerConfig: toJson(configOf(record.config, request.config)).json,
      });
      this.events.publish(record, 'commit', {
        comment: request.comment,
        imageID: imageId,
        imageRef: reference,
      });
      return imageId;
    } finally {
      if (pause && record.state.Paused) await this.pauser.unpause(record.id);
    }
  }
}

/** What the body of the request sets goes over the container's own. */
function configOf(own: ContainerConfig, body: Buffer): Partial<ContainerConfig> {
  if (body.length === 0) return own;
  const given = JSON.parse(body.toString('utf8')) as Partial<ContainerConfig> | null;
  const set = Object.entries(given ?? {}).filter(
    ([, value]) => value !== null && value !== '' && value !== false,
  );
  return { ...own, ...(Object.fromEntries(set) as Partial<ContainerConfig>) };
}
