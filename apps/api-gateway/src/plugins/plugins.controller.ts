import { All, Controller, Get, Param, Post } from '@nestjs/common';
import { notFound, notImplemented } from '@gantry/shared/errors';

/**
 * API, tag Plugin. Managed plugins cannot be installed, so there are none: that is what lists and look-ups say. The CLI
 * looks here too when `docker inspect` finds a name nowhere else.
 */
@Controller('plugins')
export class PluginsController {
  @Get()
  list(): [] {
    return [];
  }

  @Get('privileges')
  privileges(): never {
    throw notImplemented('installing plugins is not built yet');
  }

  @Post(['pull', 'create'])
  install(): never {
    throw notImplemented('installing plugins is not built yet');
  }

  @All([':name', ':name/*rest'])
  one(@Param('name') name: string): never {
    throw notFound(`plugin "${name}" not found`);
  }
}
