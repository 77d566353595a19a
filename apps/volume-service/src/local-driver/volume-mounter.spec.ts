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

describe('the password of an SMB volume is not in the words of mount(8)', () => {
  const o = 'username=u,password=se,,cr et,vers=3.0';
  const device = '//192.0.2.1/share';
  const callOf = async (helper: boolean, options: Record<string, string>): Promise<unknown[]> => {
    const linux = new RecordingLinux();
    linux.answer('host', 'which', (program) => (helper ? `/sbin/${program}` : undefined));
    await new VolumeMounter(linux).mount('/v', options);
    return linux.callsOf('processes', 'run')[0] ?? [];
  };

  it.each(['cifs', 'smb3'])('%s: mount.cifs finds it in its environment', async (type) => {
    expect(await callOf(true, { type, device, o })).toEqual([
      ['mount', '-t', type, '-o', 'username=u,vers=3.0', '--', device, '/v'],
      expect.objectContaining({ env: { PATH: process.env['PATH'], PASSWD: 'se,cr et' } }),
    ]);
  });

  it('mount(8) alone reads it from a file without a name', async () => {
    expect(await callOf(false, { type: 'cifs', device, o })).toEqual([
      ['mount', '--fstab', '/proc/self/fd/0', '/v'],
      expect.objectContaining({
        stdinFile: `${device} /v cifs username=u,password=se,,cr\\040et,vers=3.0 0 0\n`,
      }),
    ]);
  });
});
