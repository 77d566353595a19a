// gantry install, gantry uninstall: Gantry as a service of the host, under systemd (ADR 0040).
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { output } from '../host/programs.mjs';
import { FROM_SYSTEMD } from '../instance/api-sockets.mjs';
import { StartError } from '../instance/names.mjs';
import { settingsFile } from '../instance/settings.mjs';
import { setUp } from '../workspace/set-up.mjs';
import { RELEASES, makeRelease, removeOtherReleases } from './release.mjs';
import { serviceUnit, socketUnit, unitName } from './units.mjs';

const UNITS = '/etc/systemd/system';
const COMMAND = '/usr/local/bin/gantry';
const DOCKER_SOCKET = '/run/docker.sock';

/**
 * Installs or upgrades: a release of its own, units, a file for settings; then the engine runs, and runs at boot.
 * @param {import('../instance/names.mjs').InstanceNames} names
 * @param {{dockerSocket: boolean, configFile?: string, say: (line: string) => void}} options `dockerSocket`: in the place of dockerd,
 *   on its socket, too; `configFile`: with these settings, in dockerd's format, from now on
 */
export async function install(names, { dockerSocket, configFile, say }) {
  needSystemd();
  if (!names.hosts.includes(FROM_SYSTEMD) && process.env.GANTRY_HOSTS) {
    throw new StartError(
      `hosts: ${names.hosts.join(', ')}: ${FROM_SYSTEMD} has to be among them, the sockets are systemd's`,
    );
  }
  if (dockerSocket) await refuseBesideDocker();
  await setUp(names, { say });
  const group = process.env.GANTRY_SOCKET_GROUP || 'docker';
  await ensureGroup(group, say);
  const release = makeRelease();
  const unit = unitName(names.name);
  const had = existsSync(join(UNITS, `${unit}.socket`))
    ? readFileSync(join(UNITS, `${unit}.socket`), 'utf8')
    : '';
  const sockets = socketUnit(names, {
    sockets: dockerSocket || had.includes(`=${DOCKER_SOCKET}\n`) ? [DOCKER_SOCKET] : [],
    group,
  });
  writeFileSync(join(UNITS, `${unit}.socket`), sockets);
  writeFileSync(join(UNITS, `${unit}.service`), serviceUnit(names, { release, node: process.execPath }));
  writeSettings(names, configFile, say);
  rmSync(COMMAND, { force: true });
  symlinkSync(join(release, 'scripts', 'gantry.mjs'), COMMAND);
  await output('systemctl', ['daemon-reload']);
  await output('systemctl', ['enable', '--quiet', `${unit}.socket`, `${unit}.service`]);
  // Sockets cannot be had by systemd while the engine of before has them.
  if (had !== sockets) await output('systemctl', ['stop', `${unit}.service`, `${unit}.socket`]);
  await output('systemctl', ['start', `${unit}.socket`]);
  await output('systemctl', ['restart', `${unit}.service`]).catch(() => {
    throw new StartError(`${unit}.service does not start: journalctl -u ${unit}`);
  });
  removeOtherReleases(release);
  say(`${unit}.service runs ${release}; settings: ${settingsFile(names.name)}; log: journalctl -u ${unit}`);
}

/**
 * Takes units, release and command away. Containers keep running, data and settings stay.
 * @param {import('../instance/names.mjs').InstanceNames} names
 * @param {{say: (line: string) => void}} options
 */
export async function uninstall(names, { say }) {
  needSystemd();
  const unit = unitName(names.name);
  const files = ['service', 'socket'].map((kind) => join(UNITS, `${unit}.${kind}`)).filter(existsSync);
  if (files.length === 0) throw new StartError(`${unit}.service is not installed`);
  await output('systemctl', ['disable', '--now', '--quiet', `${unit}.service`, `${unit}.socket`]);
  for (const file of files) rmSync(file);
  await output('systemctl', ['daemon-reload']);
  const units = readdirSync(UNITS, { withFileTypes: true }).filter((entry) => entry.isFile());
  if (!units.some(({ name }) => readFileSync(join(UNITS, name), 'utf8').includes(RELEASES))) {
    rmSync(RELEASES, { recursive: true, force: true });
    rmSync(COMMAND, { force: true });
  }
  say(
    `${unit}.service is gone. Containers keep running; ${names.dataRoot} and ${settingsFile(names.name)} stay.`,
  );
  say(`All of it goes with: npm run clean -- --instance ${names.name}`);
}

function needSystemd() {
  if (process.getuid?.() !== 0) throw new StartError('run as root');
  if (!existsSync('/run/systemd/system')) {
    throw new StartError('systemd does not run here: start it in the foreground with npm start');
  }
}

async function refuseBesideDocker() {
  for (const unit of ['docker.socket', 'docker.service']) {
    const state = await output('systemctl', ['show', '--property=ActiveState', '--value', unit]);
    if (state.trim() === 'active') {
      throw new StartError(`${unit} is active: systemctl disable --now docker.service docker.socket`);
    }
  }
}

async function ensureGroup(group, say) {
  if (new RegExp(`^${group}:`, 'm').test(readFileSync('/etc/group', 'utf8'))) return;
  await output('groupadd', ['--system', group]);
  say(`made the group ${group}: who is in it may use the API, and so is root on this host`);
}

function writeSettings(names, configFile, say) {
  const file = settingsFile(names.name);
  if (!existsSync(file)) {
    mkdirSync('/etc/gantry', { recursive: true });
    writeFileSync(file, firstSettings(names), { mode: 0o600 });
    say(`wrote ${file}`);
  }
  const line = `GANTRY_CONFIG_FILE=${configFile}\n`;
  if (configFile && !readFileSync(file, 'utf8').includes(line)) appendFileSync(file, line);
}

/** Where hosts are among the settings already (in the file of dockerd's format), they are not named a second time. */
function firstSettings(names) {
  const head = `# Settings of the instance ${names.name}, a NAME=value a line: README.md says which there are.
# systemctl reload ${unitName(names.name)} takes up what has changed, but for names, directories and hosts.
`;
  if (process.env.GANTRY_HOSTS) return head;
  return `${head}
# fd:// are the sockets of ${unitName(names.name)}.socket; others follow it after a comma.
GANTRY_HOSTS=fd://
`;
}
