import { Injectable } from '@nestjs/common';
import { conflict } from '@gantry/shared/errors';
import { fromJson, toJson } from '@gantry/shared/grpc';
import type { CommitContainerRequest } from '@gantry/proto/container';
import { words } from '../create/container-config';
import { configDocument } from '../create/create-document';
import { withImageDefaults } from '../create/image-defaults';
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

/** The configuration of the request over the container's own, as a container's is over its image's. */
function configOf(own: ContainerConfig, body: Buffer): ContainerConfig {
  if (body.length === 0) return own;
  const { Cmd, Entrypoint, ...rest } = configDocument(fromJson<Partial<ContainerConfig> | null>(body) ?? {});
  return withImageDefaults(
    { ...rest, Cmd: words(Cmd), Entrypoint: words(Entrypoint) } as ContainerConfig,
    own,
  );
}
