// npm test [-- jest arguments]: set up, build, lint, and every test, unit and end to end. Ends in jest's summary.
import { join } from 'node:path';
import { run } from './host/programs.mjs';
import { runCommand } from './instance/arguments.mjs';
import { instanceNames } from './instance/names.mjs';
import { root } from './workspace/root.mjs';
import { setUp } from './workspace/set-up.mjs';

await runCommand(async () => {
  // The tests have instances of their own, with private databases, whatever the environment says.
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(GANTRY_(?!NO_INSTALL)|DATABASE_URL$|REDIS_URL$|DOCKER_)/.test(name)) delete env[name];
  }
  await setUp(instanceNames({}, env), { forTests: true });
  const options = { cwd: root, env };
  const bin = (name) => join(root, 'node_modules', '.bin', name);
  try {
    await run('npm', ['run', '--silent', 'lint'], options);
    // In band, because the end-to-end tests share one constellation and two cores.
    await run(bin('jest'), ['--runInBand', ...process.argv.slice(2)], options);
  } catch {
    process.exit(1);
  }
});
