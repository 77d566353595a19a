import { RecordingLinux } from '@gantry/shared/linux';
import { VolumeMounter } from './volume-mounter';

/** The words of mount(8) for the options of a volume. */
async function mountOf(options: Record<string, string>, helper: boolean): Promise<string> {
  const linux = new RecordingLinux();
  linux.answer('host', 'which', (program) => (helper ? `/sbin/${program}` : undefined));
  await new VolumeMounter(linux).mount('/v', options);
  return (linux.callsOf('processes', 'run')[0]?.[0] as string[]).join(' ');
}

describe('NFS volumes as dockerd has them written', () => {
  it.each([
    [
      { type: 'nfs', device: ':/x', o: 'addr=192.0.2.1,rw,nfsvers=4' },
      'mount -t nfs -o rw,nfsvers=4 -- 192.0.2.1:/x /v',
    ],
    [{ type: 'nfs4', device: ':/x', o: 'addr=192.0.2.1' }, 'mount -t nfs4 -- 192.0.2.1:/x /v'],
    [
      { type: 'nfs', device: ':/x', o: 'soft,addr=2001:db8::1' },
      'mount -t nfs -o soft -- [2001:db8::1]:/x /v',
    ],
    [{ type: 'nfs', device: 'server:/x', o: 'rw' }, 'mount -t nfs -o rw -- server:/x /v'],
  ])('%j: mount.nfs is told the server', async (options, command) => {
    expect(await mountOf(options, true)).toBe(command);
  });

  it('are left to the kernel where there is no mount.nfs', async () => {
    expect(await mountOf({ type: 'nfs', device: ':/x', o: 'addr=192.0.2.1,rw' }, false)).toBe(
      'mount -t nfs -o addr=192.0.2.1,rw -- :/x /v',
    );
  });
});
