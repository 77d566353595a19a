// npm run chaos -- [--containers 200] [--minutes 10] [--seed N]: kill -9 of whatever container-service rests on, at random.
import { runTypescript } from './workspace/run-typescript.mjs';

await runTypescript('chaos', ['test', 'faults', 'chaos', 'main.ts'], process.argv.slice(2));
