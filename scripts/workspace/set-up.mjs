// Brings host and working tree to where services can be started: what `npm start`, `npm test` and `npm run bench` share.
import { installPackages } from '../host/apt.mjs';
import { prepareHost } from '../host/prepare.mjs';
import { inspectHost } from '../host/requirements.mjs';
import { StartError } from '../instance/names.mjs';
import { build, buildIsCurrent } from './build.mjs';
import { dependenciesAreCurrent, installDependencies } from './dependencies.mjs';

/**
 * Says first what it will install; with GANTRY_NO_INSTALL=1 installs nothing and refuses when something is missing.
 * @param {import('../instance/names.mjs').InstanceNames} names
 * @param {{forTests?: boolean, say?: (line: string) => void}} [options]
 * @throws {StartError} one line that names what is missing
 */
export async function setUp(
  names,
  { forTests = false, say = (line) => process.stdout.write(`${line}\n`) } = {},
) {
  const findings = inspectHost(names, { forTests });
  refuse(findings.filter(({ state }) => state === 'missing'));
  const lacking = findings.filter(({ state }) => state === 'install');
  const current = dependenciesAreCurrent();

  if (process.env.GANTRY_NO_INSTALL === '1') {
    refuse(lacking.map((finding) => ({ ...finding, detail: `not installed (${finding.detail})` })));
    if (!current) throw new StartError('node_modules: not what package-lock.json asks for, run npm ci');
  }
  const packages = [...new Set(lacking.flatMap((finding) => finding.package ?? []))];
  if (packages.length > 0) say(`installing Debian packages: ${packages.join(' ')}`);
  if (!current) say('installing npm packages: npm ci');
  if (packages.length > 0) {
    await orRefuse(installPackages(packages), `cannot install ${packages.join(' ')}`);
    refuse(
      inspectHost(names, { forTests }).filter(({ state }) => state === 'missing' || state === 'install'),
    );
  }
  if (!current) await orRefuse(installDependencies(), 'npm ci failed');
  if (!buildIsCurrent()) {
    say('building');
    await orRefuse(build(), 'the build failed');
  }
  for (const done of await prepareHost(findings)) say(done);
}

async function orRefuse(step, what) {
  await step.catch((error) => {
    throw new StartError(`${what}: ${error.message}`);
  });
}

function refuse(findings) {
  const [first] = findings;
  if (!first) return;
  throw new StartError(findings.map(({ name, detail }) => `${name}: ${detail}`).join('; '));
}
