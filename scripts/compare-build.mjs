// compare-build.mjs --against unix:///path.sock: sees to the build, then runs test/build/compare.ts.
import { runTypescript } from './workspace/run-typescript.mjs';

await runTypescript('compare-build', ['test', 'build', 'compare.ts'], process.argv.slice(2));
