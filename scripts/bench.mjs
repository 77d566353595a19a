// bench.mjs NAME --against unix:///path.sock[,...]: sees to the build, then runs test/bench/NAME.ts.
import { runTypescript } from './workspace/run-typescript.mjs';

const [name, ...options] = process.argv.slice(2);
await runTypescript(`bench-${name}`, ['test', 'bench', `${name}.ts`], options);
