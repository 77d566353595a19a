import type { ContainerConfig, HostConfig, MountRequest } from '../records/api-documents';
import { parseVolumesFrom } from './bind-spec';
import { letUnmountsThrough } from './data-root-binds';
import { inheritedMounts, planMounts } from './mount-plan';

const plan = (hostConfig: Partial<HostConfig>, volumes: Record<string, object> = {}) =>
  planMounts({ Volumes: volumes } as ContainerConfig, hostConfig as HostConfig, []);

describe('planMounts', () => {
  it('reads -v of directories and of named volumes', () => {
    expect(plan({ Binds: ['/src:/a:ro', 'data:/b', 'keep:/c:nocopy'] })).toMatchObject([
      {
        Type: 'bind',
        Source: '/src',
        Destination: '/a',
        RW: false,
        Propagation: 'rprivate',
        createSource: true,
      },
      { Type: 'volume', Name: 'data', Destination: '/b', RW: true, copyUp: true, Mode: 'z' },
      { Type: 'volume', Name: 'keep', Destination: '/c', copyUp: false },
    ]);
  });

  it('makes anonymous volumes of VOLUME where nothing else is mounted', () => {
    expect(plan({ Binds: ['data:/b'] }, { '/b': {}, '/anon': {} }).map((mount) => mount.Destination)).toEqual(
      ['/b', '/anon'],
    );
  });

  it('takes the relative path of a VOLUME from the root on, as images have it', () => {
    expect(plan({}, { data: {} }).map((mount) => mount.Destination)).toEqual(['/data']);
  });

  it.each([
    [{ Binds: ['a1:/d', 'b1:/d'] }, 'Duplicate mount point: /d'],
    [{ Binds: ['/a:b'] }, "invalid mount path: 'b' mount path must be absolute"],
    [{ Binds: ['/a:/'] }, "destination can't be '/'"],
    [{ Binds: ['/a:/b:nonsense'] }, 'invalid mode: nonsense'],
    [{ Binds: ['/a:/b:default'] }, 'invalid mode: default'],
    [{ Binds: ['/a:/b:ro:x'] }, 'invalid volume specification'],
    [{ Binds: ['/foo:ro'] }, "invalid volume specification: '/foo:ro'"],
    [
      { Binds: ['x1:/y:rshared'] },
      'invalid volume specification: \'x1:/y:rshared\': invalid mount config for type "volume": field BindOptions must not be specified',
    ],
    [{ Mounts: [{ Target: '/m' } as MountRequest] }, 'invalid mount config for type "": mount type unknown'],
    [{ Binds: ['/x:/y:nocopy'] }, 'type "bind": field VolumeOptions must not be specified'],
    [
      { Mounts: [{ Type: 'bind', Source: '/', Target: '/m', VolumeOptions: {} }] },
      'field VolumeOptions must not be specified',
    ],
    [
      { Mounts: [{ Type: 'volume', Source: 'vol', Target: '/m', BindOptions: {} }] },
      'field BindOptions must not be specified',
    ],
    [
      { Mounts: [{ Type: 'volume', Source: 'vol', Target: '/m', VolumeOptions: { Subpath: '../x' } }] },
      'subpath must be a relative path within the volume',
    ],
    [
      { Mounts: [{ Type: 'volume', Target: '/m', VolumeOptions: { Subpath: 'x' } }] },
      'must not set Subpath when using anonymous volumes',
    ],
    [
      { Mounts: [{ Type: 'tmpfs', Target: '/m', TmpfsOptions: { Options: [['suid']] } }] },
      'invalid option: suid',
    ],
    [{ Mounts: [{ Type: 'nonsense', Target: '/m' }] }, 'type "nonsense": mount type unknown'],
    [
      { Mounts: [{ Type: 'bind', Source: '/no/such/place', Target: '/m' }] },
      'bind source path does not exist: /no/such/place',
    ],
  ])('refuses %j', (hostConfig, message) => {
    expect(() => plan(hostConfig)).toThrow(message);
  });

  it('lets the last of several --volumes-from have its way, without the modes of the others', () => {
    const [a = never(), b = never()] = plan({ Binds: ['one:/d:nocopy', 'two:/e'] });
    const inherited = [
      ...inheritedMounts([a, b], 'ro'),
      ...inheritedMounts([{ ...b, Name: 'three', Destination: '/d' }], ''),
    ];
    expect(planMounts({} as ContainerConfig, {} as HostConfig, inherited)).toMatchObject([
      { Name: 'three', Destination: '/d', RW: true, Mode: '', copyUp: false },
      { Name: 'two', Destination: '/e', RW: false },
    ]);
    for (const mode of ['nocopy', 'rshared', 'ro,rw']) {
      expect(() => parseVolumesFrom(`other:${mode}`)).toThrow(`invalid mode: ${mode}`);
    }
    expect(() => parseVolumesFrom('')).toThrow('volumes-from specification cannot be an empty string');
  });

  it('lets unmounting through to a bind of the data root', () => {
    const through = (bind: string) => letUnmountsThrough(plan({ Binds: [bind] }), '/var/lib/gantry');
    expect(through('/:/host:ro')).toMatchObject([{ Propagation: 'rslave' }]);
    expect(through('/var/lib/gantry/volumes:/v')).toMatchObject([{ Propagation: 'rslave' }]);
    expect(through('/var/lib/gantry2:/v')).toMatchObject([{ Propagation: 'rprivate' }]);
    expect(() => through('/var:/v:rprivate')).toThrow(
      'must use either propagation mode "rslave" or "rshared"',
    );
  });
});

function never(): never {
  throw new Error('nothing planned');
}
