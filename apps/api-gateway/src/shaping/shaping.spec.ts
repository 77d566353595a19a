import { parseJsonObject } from '../routing/json-body';
import { shapeContainerInspect } from './container-documents';
import { normalizeContainerCreate, normalizeEndpointSettings } from './container-requests';
import { shapeDiskUsage } from './disk-usage';
import { shapeImageInspect, shapeImageList } from './image-documents';
import { normalizeVolumePrune } from './prune-filters';

const body = (document: object) => parseJsonObject(Buffer.from(JSON.stringify(document)));
const created = (document: object, minor: number) =>
  JSON.parse(normalizeContainerCreate(body(document), minor).config.toString());
const bytes = (document: unknown) => Buffer.from(JSON.stringify(document));

describe('requests of older versions', () => {
  it('passes on the very bytes where nothing changes', () => {
    const given = body({ Image: 'a', HostConfig: { AutoRemove: true } });
    expect(normalizeContainerCreate(given, 56).config).toBe(given.bytes);
  });

  it('moves the container-wide MAC address to the endpoint', () => {
    const old = { Image: 'a', MacAddress: '02:00:00:00:00:01', HostConfig: { NetworkMode: 'net' } };
    for (const minor of [43, 50]) {
      expect(created(old, minor)).toMatchObject({
        NetworkingConfig: { EndpointsConfig: { net: { MacAddress: '02:00:00:00:00:01' } } },
      });
    }
    expect(normalizeContainerCreate(body(old), 43).warnings).toEqual([]);
    expect(normalizeContainerCreate(body(old), 50).warnings).toHaveLength(1);
    expect(() => created({ MacAddress: 'm', HostConfig: { NetworkMode: 'host' } }, 50)).toThrow(
      'conflicting options: mac-address and the network mode',
    );
  });

  it('drops what a version did not know', () => {
    const host = { Annotations: { a: 'b' }, ConsoleSize: [1, 2], KernelMemory: 5 };
    expect(created({ HostConfig: host }, 41).HostConfig).toEqual({ KernelMemory: 5 });
    expect(created({ HostConfig: host }, 40).HostConfig).toEqual({ KernelMemory: 5, CgroupnsMode: 'host' });
    expect(created({ HostConfig: host }, 56).HostConfig).toEqual({
      Annotations: { a: 'b' },
      ConsoleSize: [1, 2],
    });
  });

  it('knew one network at create before 1.44', () => {
    const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } };
    expect(() => created(two, 43)).toThrow('Container cannot be connected to network endpoints: a, b');
    expect(created(two, 44)).toEqual(two);
  });

  it('ignored the MAC address at connect before 1.54', () => {
    expect(normalizeEndpointSettings({ MacAddress: 'm' }, 53)).toEqual({});
    expect(normalizeEndpointSettings({ MacAddress: 'm' }, 54)).toEqual({ MacAddress: 'm' });
  });

  it('pruned named volumes too before 1.42', () => {
    expect(normalizeVolumePrune({ terms: {} }, 41)).toEqual({ terms: { all: { values: ['true'] } } });
    expect(normalizeVolumePrune({ terms: {} }, 42)).toEqual({ terms: {} });
  });
});

describe('documents for older versions', () => {
  const container = {
    Id: '0123456789abcdef',
    Config: {},
    NetworkSettings: {
      Networks: { bridge: { IPAddress: '10.0.0.2', Gateway: '10.0.0.1' }, own: { Aliases: null } },
    },
  };

  it('gives old clients the addresses of the bridge at the top', () => {
    const old = JSON.parse(shapeContainerInspect(bytes(container), 50).toString());
    expect(old.NetworkSettings).toMatchObject({ IPAddress: '10.0.0.2', Gateway: '10.0.0.1', Bridge: '' });
    expect(old.NetworkSettings.Networks.own.Aliases).toBeNull();
    const older = JSON.parse(shapeContainerInspect(bytes(container), 44).toString());
    expect(older.NetworkSettings.Networks.own.Aliases).toEqual(['0123456789ab']);
  });

  it('gives new clients none, and untouched bytes where there are none', () => {
    const given = bytes(container);
    expect(shapeContainerInspect(given, 52)).toBe(given);
    const shaped = shapeContainerInspect(shapeContainerInspect(given, 50), 52);
    expect(JSON.parse(shaped.toString()).NetworkSettings).toEqual(container.NetworkSettings);
  });

  it('shapes image lists', () => {
    const list = bytes([{ Id: 'i', Size: 5, RepoTags: [], RepoDigests: null }]);
    expect(shapeImageList(list, 48)).toBe(list);
    const known = bytes([{ Id: 'i', Descriptor: {} }]);
    expect(JSON.parse(shapeImageList(known, 47).toString())).toEqual([{ Id: 'i' }]);
    expect(JSON.parse(shapeImageList(list, 42).toString())).toEqual([
      { Id: 'i', Size: 5, VirtualSize: 5, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] },
    ]);
  });

  it('shapes image inspection', () => {
    const image = bytes({ Id: 'i', Size: 5, Config: { Cmd: ['sh'] } });
    expect(shapeImageInspect(image, 53)).toBe(image);
    const known = bytes({ Id: 'i', Descriptor: {}, Identity: {}, Config: {} });
    expect(JSON.parse(shapeImageInspect(known, 52).toString())).toEqual({
      Id: 'i',
      Descriptor: {},
      Config: {},
    });
    expect(JSON.parse(shapeImageInspect(known, 47).toString())).not.toHaveProperty('Descriptor');
    const at50 = JSON.parse(shapeImageInspect(image, 50).toString());
    expect(at50).toMatchObject({ Author: '', Config: { Cmd: ['sh'], Entrypoint: null, WorkingDir: '' } });
    expect(at50.Config).not.toHaveProperty('Hostname');
    expect(JSON.parse(shapeImageInspect(image, 43).toString())).toMatchObject({
      VirtualSize: 5,
      Config: { Hostname: '' },
    });
  });

  it('sums disk usage from 1.52 on', () => {
    const usage = () => ({
      images: {
        LayersSize: 100,
        Images: [
          { Size: 60, SharedSize: 10, Containers: 1 },
          { Size: 50, SharedSize: 10, Containers: 0 },
        ],
      },
      containers: [
        { State: 'running', SizeRw: 3 },
        { State: 'exited', SizeRw: 4 },
      ],
      volumes: [{ UsageData: { Size: 7, RefCount: 0 } }],
      buildCache: [],
    });
    expect(Object.keys(shapeDiskUsage(usage(), 51, false))).toEqual([
      'LayersSize',
      'Images',
      'Containers',
      'Volumes',
      'BuildCache',
    ]);
    expect(shapeDiskUsage(usage(), 52, false)).toMatchObject({
      LayersSize: 100,
      ImageUsage: { TotalCount: 2 },
    });
    const newest = shapeDiskUsage(usage(), 56, false);
    expect(newest).toEqual({
      ImageUsage: { ActiveCount: 1, TotalCount: 2, Reclaimable: 50, TotalSize: 100 },
      ContainerUsage: { ActiveCount: 1, TotalCount: 2, Reclaimable: 4, TotalSize: 7 },
      VolumeUsage: { ActiveCount: 0, TotalCount: 1, Reclaimable: 7, TotalSize: 7 },
      BuildCacheUsage: { ActiveCount: 0, TotalCount: 0, Reclaimable: 0, TotalSize: 0 },
    });
    expect(shapeDiskUsage(usage(), 56, true)).toMatchObject({ VolumeUsage: { Items: [{}] } });
    expect(shapeDiskUsage({ containers: [] }, 51, false)).toMatchObject({ Images: null, Containers: [] });
  });
});
