// npm run doctor: what `npm start` checks, as a table. Exit code 1 when something is missing that only the user can bring.
import { inspectHost } from './host/requirements.mjs';
import { instanceArguments, runCommand } from './instance/arguments.mjs';
import { instanceNames } from './instance/names.mjs';
import { dependenciesAreCurrent } from './workspace/dependencies.mjs';
import { buildIsCurrent } from './workspace/build.mjs';

const WORDS = {
  ok: 'ok',
  install: 'will install',
  prepare: 'will set',
  missing: 'MISSING',
  optional: 'absent',
};

await runCommand(async () => {
  const findings = inspectHost(instanceNames(instanceArguments(process.argv.slice(2))));
  findings.push({
    name: 'node_modules',
    ...(dependenciesAreCurrent()
      ? { state: 'ok', detail: 'as package-lock.json asks' }
      : { state: 'install', detail: 'npm ci' }),
  });
  const built = buildIsCurrent();
  const rows = findings.map(({ name, state, detail }) => [name, WORDS[state], detail]);
  rows.push(['build', built ? 'ok' : 'will build', built ? 'current' : 'npm run build']);
  const width = (column) => Math.max(...rows.map((row) => row[column].length));
  const [names, words] = [width(0), width(1)];
  for (const [name, word, detail] of rows) {
    process.stdout.write(`${name.padEnd(names)}  ${word.padEnd(words)}  ${detail}\n`);
  }
  if (findings.some(({ state }) => state === 'missing')) process.exitCode = 1;
});
