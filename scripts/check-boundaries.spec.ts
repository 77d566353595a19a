import { violationsIn } from './check-boundaries.mjs';

describe('check-boundaries', () => {
  const app = 'apps/image-service/src/pull/pull.ts';

  it.each([
    [app, `import { x } from '../../../volume-service/src/x';`],
    [app, `import { x } from '@gantry/volume-service';`],
    [app, `const x = await import('../../../network-service/src/generated/prisma/client');`],
    [app, `import { x } from '../../../../packages/shared/src/linux';`],
    [app, `import koffi from 'koffi';`],
    [app, `const { spawn } = require("node:child_process");`],
    ['packages/shared/src/queue/queue.ts', `import 'child_process';`],
    ['packages/shared/src/queue/queue.ts', `export * from '@gantry/image-service';`],
  ])('refuses in %s: %s', (file, text) => {
    expect(violationsIn(file, text)).toHaveLength(1);
  });

  it.each([
    [app, `import { x } from '../layers/layer';`],
    [app, `import { x } from '@gantry/shared/linux';`],
    [app, `import { x } from '@gantry/proto/image';`],
    ['packages/shared/src/linux/processes/spawn.ts', `import koffi from 'koffi';`],
  ])('allows in %s: %s', (file, text) => {
    expect(violationsIn(file, text)).toEqual([]);
  });
});
