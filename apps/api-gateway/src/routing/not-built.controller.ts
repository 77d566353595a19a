import { All, Controller, Post, Put } from '@nestjs/common';
import { EngineError, notImplemented } from '@gantry/shared/errors';

const notBuilt = (what: string): never => {
  throw notImplemented(`${what} is not built yet`);
};

/** What the API has and Gantry does not have yet (docs/api-coverage.md): a clear 501, never a silent success. */
@Controller()
export class NotBuiltController {
  @Post(['session', 'grpc'])
  session(): never {
    return notBuilt('BuildKit');
  }
}

/** Swarm mode is out of scope: dockerd's answer when it is in no swarm. */
@Controller()
export class SwarmController {
  @All(
    ['swarm', 'nodes', 'services', 'tasks', 'secrets', 'configs'].flatMap((path) => [path, `${path}/*rest`]),
  )
  swarm(): never {
    return notInSwarm();
  }

  /** Only cluster volumes can be updated. */
  @Put('volumes/:name')
  updateVolume(): never {
    return notInSwarm();
  }
}

function notInSwarm(): never {
  throw new EngineError(
    'Unavailable',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm ' +
      'and try again.',
  );
}
