import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { overlayProblem } from '../../scripts/host/overlay-probe.mjs';
import { describeInMachine } from '../support/kernel-machine';

const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });

describeInMachine('which file systems `npm start` takes for the data root', () => {
  const place = '/srv/root';
  const disk = '/srv/root.disk';
  beforeEach(() => {
    mkdirSync(place, { recursive: true });
    sh(`rm -f ${disk}; truncate -s 1G ${disk}`);
  });
  afterEach(() => sh(`umount ${place}; rm -f ${disk}`));

  it.each(['mkfs.ext4 -q -b 1024', 'mkfs.xfs -q', 'mkfs.btrfs -q'])('%s: yes', (make) => {
    sh(`${make} ${disk}; mount -o loop ${disk} ${place}`);
    expect(overlayProblem(place)).toBeUndefined();
  });

  it('xfs made with ftype=0: no, and it says why', () => {
    sh(`mkfs.xfs -q -m crc=0,finobt=0,reflink=0,rmapbt=0 -n ftype=0 ${disk}; mount -o loop ${disk} ${place}`);
    expect(overlayProblem(place)).toContain('xfs has to be made with -n ftype=1');
  });

  it('NFS: no', () => {
    const served = '/srv/nfs-root';
    mkdirSync(served, { recursive: true });
    sh(`systemctl start nfs-server; exportfs -o rw,no_root_squash,insecure,fsid=8 127.0.0.1:${served}`);
    try {
      sh(`mount -t nfs -o vers=4.2 127.0.0.1:${served} ${place}`);
      expect(overlayProblem(place)).toContain('the kernel mounts no overlay on the file system of');
    } finally {
      sh('exportfs -ua; systemctl stop nfs-server');
    }
  });
});
