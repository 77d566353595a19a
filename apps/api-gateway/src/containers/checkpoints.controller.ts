import { All, Controller, Inject } from '@nestjs/common';
import { notImplemented } from '@gantry/shared/errors';
import { GATEWAY_CONFIG, type GatewayConfig } from '../config';

/** Checkpoints are an experiment of dockerd's: its answer where it does not take part in it. */
@Controller()
export class CheckpointsController {
  constructor(@Inject(GATEWAY_CONFIG) private readonly gateway: GatewayConfig) {}

  @All(['containers/:id/checkpoints', 'containers/:id/checkpoints/:checkpoint'])
  checkpoints(): never {
    if (this.gateway.experimental) throw notImplemented('checkpoints are not built yet');
    throw notImplemented(
      'This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.',
    );
  }
}
