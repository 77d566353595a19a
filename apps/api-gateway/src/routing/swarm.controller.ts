import { All, Controller, Post, Put } from '@nestjs/common';
import { EngineError, notImplemented } from '@gantry/shared/errors';

/** Swarm mode is out of scope: dockerd's answer when it is in no swarm. */
@Controller()
export class SwarmController {
  @Post(['swarm/init', 'swarm/join'])
  begin(): never {
    throw notImplemented('swarm mode is not built');
  }

  @Post('swarm/leave')
  leave(): never {
    throw new EngineError('Unavailable', 'This node is not part of a swarm');
  }

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
