import { All, Controller } from '@nestjs/common';
import { notImplemented } from '@gantry/shared/errors';

/** Checkpoints are an experiment of dockerd's: its answer where it does not take part in it. */
@Controller()
export class CheckpointsController {
  @All(['containers/:id/checkpoints', 'containers/:id/checkpoints/:checkpoint'])
  checkpoints(): never {
    throw notImplemented(
      'This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.',
    );
  }
}
