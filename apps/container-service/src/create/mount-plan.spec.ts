import type { ContainerConfig, HostConfig } from '../records/api-documents';
import { planMounts } from './mount-plan';

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

  it.each([
    [{ Binds: ['a1:/d', 'b1:/d'] }, 'Duplicate mount point: /d'],
    [{ Binds: ['rel/x:/m'] }, 'includes invalid characters for a local volume name'],
    [{ Binds: ['/a:b'] }, "invalid mount path: 'b' mount path must be absolute"],
    [{ Binds: ['/a:/'] }, "destination can't be '/'"],
    [{ Binds: ['/a:/b:nonsense'] }, 'invalid mode: nonsense'],
    [{ Binds: ['/a:/b:ro:x'] }, 'invalid volume specification'],
    [
      { Mounts: [{ Type: 'bind', Source: '/no/such/place', Target: '/m' }] },
      'bind source path does not exist: /no/such/place',
    ],
  ])('refuses %j', (hostConfig, message) => {
    expect(() => plan(hostConfig)).toThrow(message);
  });
});
