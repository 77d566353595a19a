import { Controller, HttpCode, Post } from '@nestjs/common';

/** API: POST /build/prune, which `docker system prune` calls. Nothing is built yet, so the cache is empty. */
@Controller('build')
export class BuildCacheController {
  @Post('prune')
  @HttpCode(200)
  prune(): object {
    return { CachesDeleted: [], SpaceReclaimed: 0 };
  }
}
