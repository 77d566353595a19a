// Installs Debian packages without letting their scripts start daemons or create database clusters: Gantry runs its own.
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { findProgram, output, run } from './programs.mjs';

const POLICY = '/usr/sbin/policy-rc.d';
const CLUSTER_CONFIG = '/etc/postgresql-common/createcluster.conf';
const DAEMONS = {
  'redis-server': ['redis-server'],
  postgresql: ['postgresql'],
  'docker.io': ['docker', 'docker.socket', 'containerd'],
};

/**
 * @param {string[]} packages
 * @throws {Error} when apt-get fails; its own words are on the terminal
 */
export async function installPackages(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const undo = [forbidDaemons(), forbidCluster()];
  const undoAll = () => undo.splice(0).forEach((step) => step());
  process.once('exit', undoAll);
  try {
    await run('apt-get', ['update', '-qq'], { env });
    const keepOurFile = ['-o', 'Dpkg::Options::=--force-confold'];
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...keepOurFile, ...packages], {
      env,
    });
    await keepDaemonsOff(packages);
  } finally {
    undoAll();
    process.off('exit', undoAll);
  }
}

// invoke-rc.d asks this program before it starts a daemon; 101 means no (policy-rc.d specification of Debian).
function forbidDaemons() {
  if (existsSync(POLICY)) return () => {};
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
  chmodSync(POLICY, 0o755);
  return () => rmSync(POLICY, { force: true });
}

// postgresql-NN creates and registers a cluster of its own unless this file says no. The package's version of the file,
// which is kept beside ours (by ucf, or by dpkg in later releases), is put in place afterwards.
function forbidCluster() {
  if (existsSync(CLUSTER_CONFIG)) return () => {};
  mkdirSync(dirname(CLUSTER_CONFIG), { recursive: true });
  writeFileSync(CLUSTER_CONFIG, 'create_main_cluster = false\n');
  return () => {
    const shipped = ['.ucf-dist', '.dpkg-dist']
      .map((suffix) => CLUSTER_CONFIG + suffix)
      .find((file) => existsSync(file));
    if (shipped) renameSync(shipped, CLUSTER_CONFIG);
    else rmSync(CLUSTER_CONFIG, { force: true });
  };
}

// The packages enable their daemons for the next boot.
async function keepDaemonsOff(packages) {
  if (!existsSync('/run/systemd/system') || !findProgram('systemctl')) return;
  const units = packages.flatMap((name) => DAEMONS[name] ?? []);
  for (const unit of units) await output('systemctl', ['disable', '--quiet', unit]).catch(() => {});
}
