// What an emulated machine of each architecture is made of. Names are those of Node and, as `debian`, of Debian.
import { StartError } from '../instance/names.mjs';

const ARCHITECTURES = {
  x64: {
    debian: 'amd64',
    kernelPackage: 'linux-image-amd64',
    emulator: 'qemu-system-x86_64',
    emulatorPackage: 'qemu-system-x86',
    machine: ['-machine', 'q35', '-cpu', 'max'],
    // A busy host lets its timer tick so late that the kernel takes it for broken.
    kernelWords: 'console=ttyS0 no_timer_check',
  },
  arm64: {
    debian: 'arm64',
    kernelPackage: 'linux-image-arm64',
    emulator: 'qemu-system-aarch64',
    emulatorPackage: 'qemu-system-arm',
    // `max` signs pointers, which takes an emulated processor much time.
    machine: ['-machine', 'virt,gic-version=3', '-cpu', 'cortex-a72'],
    kernelWords: 'console=ttyAMA0',
  },
};

/** @param {string} name as in `process.arch` */
export function architecture(name) {
  const known = ARCHITECTURES[name];
  if (known === undefined) {
    throw new StartError(
      `no machine is known for ${name}, only for ${Object.keys(ARCHITECTURES).join(' and ')}`,
    );
  }
  return { name, foreign: name !== process.arch, ...known };
}
