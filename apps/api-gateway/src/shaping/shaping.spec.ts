import { parseJsonObject } from '../routing/json-body';
import { shapeContainerInspect, shapeContainerList } from './container-documents';
import { normalizeContainerCreate, normalizeEndpointSettings } from './container-requests';
import { shapeDiskUsage } from './disk-usage';
import { shapeImageInspect, shapeImageList } from './image-documents';
import { normalizeNetworkCreate, shapeNetworkInspect } from './network-documents';
import { normalizeVolumePrune } from './prune-filters';
import { shapeSystemInfo } from './system-documents';

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
    expect(created({ HostConfig: { AutoRemove: true, KernelMemoryTCP: 1 } }, 24).HostConfig).toEqual({
      AutoRemove: false,
      IpcMode: 'shareable',
      CgroupnsMode: 'host',
    });
    expect(created({ HostConfig: { AutoRemove: true } }, 39).HostConfig.AutoRemove).toBe(true);
    expect(created({ HostConfig: host }, 56).HostConfig).toEqual({
      Annotations: { a: 'b' },
      ConsoleSize: [1, 2],
    });
  });

  it('knew one network at create before 1.44', () => {
    const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } };
    expect(() => created(two, 43)).toThrow(
      'Container cannot be created with multiple network endpoints: a, b',
    );
    expect(created(two, 44)).toEqual(two);
  });

  it('refuses mounts that a version had no words for, and drops options without meaning', () => {
    const mounted = (mount: object, minor: number) =>
      created({ HostConfig: { Mounts: [mount] } }, minor).HostConfig.Mounts[0];
    const part = { Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { Subpath: 's' } };
    expect(() => mounted(part, 44)).toThrow('VolumeOptions.Subpath needs API v1.45 or newer');
    expect(mounted(part, 45)).toEqual(part);
    const image = { Type: 'image', Source: 'i', Target: '/i' };
    expect(() => mounted(image, 47)).toThrow('Mount type "Image" needs API v1.48 or newer');
    const bind = { Type: 'bind', Source: '/s', Target: '/t', VolumeOptions: {} };
    expect(mounted({ ...bind, BindOptions: { NonRecursive: true } }, 39)).toEqual({
      Type: 'bind',
      Source: '/s',
      Target: '/t',
      BindOptions: {},
    });
    expect(mounted(bind, 42)).toEqual(bind);
  });

  it('a port without a binding means any port of the host', () => {
    const host = { HostConfig: { PortBindings: { '80/tcp': [], '81/tcp': null } } };
    const any = { '80/tcp': [{}], '81/tcp': [{}] };
    for (const minor of [51, 52, 56]) expect(created(host, minor).HostConfig.PortBindings).toEqual(any);
    expect(normalizeContainerCreate(body(host), 51).warnings).toEqual([]);
    const warning =
      'Following container port(s) have an empty list of port-bindings: 80/tcp, 81/tcp. Such bindings will be discarded in a future version.';
    for (const minor of [52, 56]) {
      expect(normalizeContainerCreate(body(host), minor).warnings).toEqual([warning]);
    }
  });

  it('says that a volume driver for all is ignored by mounts', () => {
    const config = { HostConfig: { VolumeDriver: 'd', Mounts: [{ Type: 'volume', Target: '/v' }] } };
    expect(normalizeContainerCreate(body(config), 47).warnings).toEqual([]);
    expect(normalizeContainerCreate(body(config), 48).warnings).toEqual([
      expect.stringContaining('the container-wide volume-driver configuration is ignored'),
    ]);
  });

  it('keeps endpoints to what their version could say', () => {
    const config = { NetworkingConfig: { EndpointsConfig: { a: { MacAddress: 'm', GwPriority: 5 } } } };
    const endpoint = (minor: number) => created(config, minor).NetworkingConfig.EndpointsConfig.a;
    expect([endpoint(43), endpoint(47), endpoint(48)]).toEqual([
      {},
      { MacAddress: 'm' },
      { MacAddress: 'm', GwPriority: 5 },
    ]);
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
    const made = shapeContainerInspect(bytes({ ...container, State: { Status: 'created' } }), 44);
    expect(JSON.parse(made.toString()).NetworkSettings.Networks.own.Aliases).toBeNull();
  });

  it('gives new clients none, and untouched bytes where there are none', () => {
    const given = bytes(container);
    expect(shapeContainerInspect(given, 52)).toBe(given);
    const shaped = shapeContainerInspect(shapeContainerInspect(given, 50), 52);
    expect(JSON.parse(shaped.toString()).NetworkSettings).toEqual(container.NetworkSettings);
  });

  it('lists containers without what came later', () => {
    const given = { Id: 'a', Health: {}, ImageManifestDescriptor: {}, HostConfig: { Annotations: {} } };
    const shaped = (minor: number) =>
      Object.keys(JSON.parse(shapeContainerList(bytes([given]), minor).toString())[0]);
    expect(shaped(45)).toEqual(['Id', 'HostConfig']);
    expect(shaped(51)).toEqual(['Id', 'ImageManifestDescriptor', 'HostConfig']);
    expect(shaped(52)).toEqual(Object.keys(given));
  });

  it('describes networks and the host in the words of the time', () => {
    expect(shapeNetworkInspect(bytes({ Id: 'n', Status: {} }), 51).toString()).toBe('{"Id":"n"}');
    expect(normalizeNetworkCreate(body({ Name: 'n', EnableIPv4: false }), 47).toString()).toBe(
      '{"Name":"n"}',
    );
    const info = (minor: number) =>
      shapeSystemInfo(
        {
          BridgeNfIptables: false,
          FirewallBackend: {},
          RuncCommit: { ID: '1' },
          SecurityOptions: ['name=seccomp,profile=builtin'],
        },
        minor,
      );
    expect(info(50)).toEqual({
      FirewallBackend: {},
      RuncCommit: { ID: '1' },
      SecurityOptions: ['name=seccomp,profile=builtin'],
    });
    expect(info(48)).toMatchObject({ BridgeNfIptables: false, RuncCommit: { ID: '1', Expected: '1' } });
    expect(info(48)).not.toHaveProperty('FirewallBackend');
    expect(info(24)).toMatchObject({ SecurityOptions: ['seccomp'], ExecutionDriver: '<not supported>' });
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
    const lists = () => {
      const { images, containers, volumes, buildCache } = usage();
      return { Images: images.Images, Containers: containers, Volumes: volumes, BuildCache: buildCache };
    };
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
    const sums = {
      ImageUsage: { ActiveCount: 1, TotalCount: 2, Reclaimable: 50, TotalSize: 100 },
      ContainerUsage: { ActiveCount: 1, TotalCount: 2, Reclaimable: 4, TotalSize: 7 },
      VolumeUsage: { ActiveCount: 0, TotalCount: 1, Reclaimable: 7, TotalSize: 7 },
      BuildCacheUsage: { ActiveCount: 0, TotalCount: 0, Reclaimable: 0, TotalSize: 0 },
    };
    // docker-py speaks the newest version and reads the lists.
    expect(shapeDiskUsage(usage(), 56, false)).toEqual({ ...sums, LayersSize: 100, ...lists() });
    expect(shapeDiskUsage(usage(), 56, true)).toMatchObject({ VolumeUsage: { Items: [{}] } });
    expect(shapeDiskUsage(usage(), 56, true)).not.toHaveProperty('Images');
    expect(shapeDiskUsage({ containers: [] }, 56, false)).toEqual({
      LayersSize: 0,
      Containers: [],
      ContainerUsage: expect.anything(),
    });
    expect(shapeDiskUsage({ containers: [] }, 51, false)).toMatchObject({ Images: null, Containers: [] });
  });
});
