import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { instanceNames } from '../instance/names.mjs';
import { makeRelease, removeOtherReleases } from './release.mjs';
import { serviceUnit, socketUnit, unitName } from './units.mjs';

describe('a release', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'gantry-release-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  it('has what an engine needs to run, and says what it can do', () => {
    const release = makeRelease(directory);
    expect(existsSync(join(release, 'node_modules', 'koffi'))).toBe(true);
    expect(existsSync(join(release, 'apps', 'image-service', 'prisma', 'migrations'))).toBe(true);
    expect(readdirSync(release).sort()).toEqual([
      'LICENSE',
      'apps',
      'node_modules',
      'package.json',
      'scripts',
    ]);
    const run = (program: string, ...args: string[]) =>
      execFileSync(process.execPath, ['-e', program, ...args], { cwd: release, encoding: 'utf8' });
    expect(run(`Promise.all([import('pg'), import('koffi')]).then(() => console.log('found'))`)).toBe(
      'found\n',
    );
    const help = execFileSync(process.execPath, [join(release, 'scripts', 'gantry.mjs')], {
      encoding: 'utf8',
    });
    expect(help).toContain('uninstall');
  });

  it('stays where the others go', () => {
    const first = makeRelease(join(directory, 'a'));
    removeOtherReleases(join(directory, 'none'), join(directory, 'a'));
    expect(existsSync(first)).toBe(false);
  });
});

describe('units', () => {
  const names = instanceNames({ name: 'blue' }, {});

  it('are named after the instance', () => {
    expect(unitName('gantry')).toBe('gantry');
    expect(unitName('blue')).toBe('gantry-blue');
  });

  it('leave the monitors of containers alone, and take the sockets from systemd', () => {
    const service = serviceUnit(names, { release: '/r', node: '/n' });
    expect(service).toContain('ExecStart=/n /r/scripts/start.mjs --instance blue\n');
    expect(service).toContain('KillMode=process\n');
    expect(service).toContain('Requires=gantry-blue.socket\n');
    const socket = socketUnit(names, { sockets: ['/run/docker.sock'], group: 'docker' });
    expect(socket).toContain('ListenStream=/run/blue/docker.sock\nListenStream=/run/docker.sock\n');
  });
});
