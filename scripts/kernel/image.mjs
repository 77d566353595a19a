// The disk of the virtual machine: Debian with systemd, its ordinary kernel, and what Gantry and its tests need of a host.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, run } from '../host/programs.mjs';
import { StartError } from '../instance/names.mjs';
import { root } from '../workspace/root.mjs';
import { installNativePackages } from './native-packages.mjs';

const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'initramfs-tools'],
  // What Gantry needs; see scripts/host/requirements.mjs.
  ...[
    'crun',
    'runc',
    'conmon',
    'iproute2',
    'nftables',
    'libnftables1',
    'libseccomp2',
    'tini',
    'isal',
    'procps',
  ],
  ...['postgresql', 'redis-server', 'apparmor', 'libstdc++6'],
  // What its tests need.
  ...['busybox-static', 'openssl', 'curl', 'git', 'ca-certificates', 'docker-registry', 'skopeo', 'zstd'],
  ...[
    'btrfs-progs',
    'xfsprogs',
    'e2fsprogs',
    'nfs-kernel-server',
    'nfs-common',
    'cifs-utils',
    'samba',
    'socat',
    'iptables',
    'systemd-resolved',
  ],
];
/** Gantry starts its own; the others are the tests' business. */
const UNWANTED_UNITS =
  'postgresql redis-server docker-registry nfs-server smbd nmbd samba-ad-dc rpcbind systemd-resolved ' +
  'apt-daily.timer apt-daily-upgrade.timer fstrim.timer';
const DISK_SIZE = '12G';

/**
 * @typedef {object} MachineImage
 * @property {string} disk ext4, never written to
 * @property {string} kernel
 * @property {string} initrd
 */

/**
 * Made once and kept in GANTRY_KERNEL_DIR, `~/.cache/gantry-kernel` by default.
 * @param {ReturnType<typeof import('./architectures.mjs').architecture>} architecture
 * @param {string | undefined} suite of Debian; this host's, whose node is copied into the machine, where none is asked for
 * @param {(line: string) => void} say
 * @returns {Promise<MachineImage>}
 */
export async function machineImage(architecture, suite, say) {
  const programs = {
    [architecture.emulator]: architecture.emulatorPackage,
    mmdebstrap: 'mmdebstrap',
    mke2fs: 'e2fsprogs',
    // Packages of another architecture are configured by its own programs.
    ...(architecture.foreign ? { 'arch-test': 'arch-test qemu-user-static' } : {}),
  };
  const missing = Object.entries(programs).filter(([program]) => findProgram(program) === undefined);
  if (missing.length > 0) {
    throw new StartError(`not installed: apt-get install ${missing.map(([, name]) => name).join(' ')}`);
  }
  const system = architecture.foreign ? foreignSystem(suite) : ownSystem(suite);
  const directory = join(cacheDirectory(), keyOf(architecture, system));
  if (!existsSync(directory)) await make(directory, architecture, system, say);
  return {
    disk: join(directory, 'disk'),
    kernel: join(directory, 'kernel'),
    initrd: join(directory, 'initrd'),
  };
}

/** With this host's node and docker CLI. */
function ownSystem(suite = debianRelease()) {
  const docker = findProgram('docker');
  if (docker === undefined)
    throw new StartError('docker CLI: not found, the tests in the machine use this host’s');
  return { suite, packages: [], copied: { node: process.execPath, docker } };
}

/** With Debian's: the first suite whose node is new enough is trixie. */
function foreignSystem(suite = 'trixie') {
  return { suite, packages: ['nodejs', 'docker-cli'], copied: {} };
}

function cacheDirectory() {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return process.env.GANTRY_KERNEL_DIR ?? join(cache, 'gantry-kernel');
}

/** Another image where this file, the job's unit, or one of the programs that are copied into it changed. */
function keyOf(architecture, { suite, copied }) {
  const hash = createHash('sha256');
  for (const file of ['image.mjs', 'gantry-job.service']) {
    hash.update(readFileSync(join(root, 'scripts', 'kernel', file)));
  }
  for (const program of Object.values(copied))
    hash.update(`${program} ${statSync(program).size} ${statSync(program).mtimeMs}`);
  if (architecture.foreign) hash.update(readFileSync(join(root, 'package-lock.json')));
  return `${suite}-${architecture.debian}-${hash.digest('hex').slice(0, 12)}`;
}

async function make(directory, architecture, { suite, packages, copied }, say) {
  const making = `${directory}.${process.pid}`;
  const files = join(making, 'files');
  const natives = join(making, 'natives');
  mkdirSync(natives, { recursive: true });
  say(`making the disk of the virtual machine in ${directory}: some minutes, once`);
  try {
    if (architecture.foreign) await installNativePackages(architecture.name, natives);
    await run('mmdebstrap', [
      ...[
        '--mode=root',
        '--variant=minbase',
        '--quiet',
        `--architectures=${architecture.debian}`,
        `--include=${[...PACKAGES, ...packages, architecture.kernelPackage].join(',')}`,
      ],
      ...['man', 'locale', 'doc'].map((what) => `--dpkgopt=path-exclude=/usr/share/${what}/*`),
      ...hooks(copied, natives).map((hook) => `--customize-hook=${hook}`),
      ...[suite, files],
    ]);
    const boot = readdirSync(join(files, 'boot'));
    for (const [name, prefix] of [
      ['kernel', 'vmlinuz-'],
      ['initrd', 'initrd.img-'],
    ]) {
      cpSync(join(files, 'boot', boot.find((file) => file.startsWith(prefix)) ?? ''), join(making, name));
    }
    await run('mke2fs', ['-q', '-t', 'ext4', '-d', files, join(making, 'disk'), DISK_SIZE]);
    rmSync(files, { recursive: true });
    renameSync(making, directory);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

/** Shell commands that run on this host; $1 is the new system. */
function hooks(copied, natives) {
  const unit = join(root, 'scripts', 'kernel', 'gantry-job.service');
  return [
    ...Object.entries(copied).map(([name, path]) => `cp -L '${path}' "$1/usr/local/bin/${name}"`),
    `cp -r '${natives}' "$1/natives"`,
    `cp '${unit}' "$1/etc/systemd/system/"`,
    'mkdir -p "$1/gantry" "$1/job" "$1/tree"; echo gantry-vm >"$1/etc/hostname"',
    'chroot "$1" systemctl enable --quiet gantry-job.service',
    `chroot "$1" systemctl disable --quiet ${UNWANTED_UNITS}; rm -rf "$1"/etc/postgresql/*`,
    // systemd-resolved, which is off, has put its own there.
    'rm -f "$1/etc/resolv.conf"; echo "nameserver 192.0.2.53" >"$1/etc/resolv.conf"',
    // Before the job begins, which wants the console and the shares.
    'printf "virtio_console\\n9p\\n9pnet_virtio\\n" >"$1/etc/modules-load.d/gantry.conf"',
    // No more modules than it takes to mount the disk: the machine is emulated, and they are unpacked at every boot.
    'printf "virtio_pci\\nvirtio_blk\\next4\\n" >"$1/etc/initramfs-tools/modules"',
    'sed -i s/^MODULES=.*/MODULES=list/ "$1/etc/initramfs-tools/initramfs.conf"; chroot "$1" update-initramfs -u',
  ];
}

function debianRelease() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  return /^ID=debian$/m.test(release) && codename ? codename : 'bookworm';
}
