import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OciSpec } from '@gantry/shared/oci';
import type { DeviceRequest, HostConfig } from '../records/api-documents';
import { CdiRegistry } from './cdi-registry';
import { DeviceRequests } from './device-requests';

const top = mkdtempSync(join(tmpdir(), 'cdi-'));
const [low, high] = [join(top, 'etc'), join(top, 'run')];
process.env['GANTRY_CDI_DIRS'] = `${low},${high},${join(top, 'missing')}`;
afterAll(() => {
  delete process.env['GANTRY_CDI_DIRS'];
  rmSync(top, { recursive: true });
});

const registry = new CdiRegistry();
const file = (directory: string, name: string, content: string) => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), content);
};
const simple = (kind: string, name: string, env: string) =>
  JSON.stringify({ cdiVersion: '0.6.0', kind, devices: [{ name, containerEdits: { env: [env] } }] });

beforeAll(() => {
  file(
    low,
    'nvidia.yaml',
    [
      '---',
      'cdiVersion: 0.5.0',
      'kind: nvidia.com/gpu',
      'containerEdits:',
      '  env: [NVIDIA_VISIBLE_DEVICES=void]',
      '  hooks:',
      '    - {hookName: createContainer, path: /usr/bin/nvidia-ctk, args: [nvidia-ctk, hook]}',
      '  mounts:',
      '    - {hostPath: /usr, containerPath: /opt/driver, options: [ro, nosuid]}',
      'devices:',
      '  - name: "0"',
      '    containerEdits:',
      '      deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/zero, permissions: rw}]',
      '  - name: all',
      '    containerEdits:',
      '      deviceNodes: [{path: /dev/nvidia0, hostPath: /dev/zero}]',
      '      additionalGids: [44, 0]',
    ].join('\n'),
  );
  file(low, 'a.json', simple('vendor.com/net', 'one', 'FROM=low'));
  file(high, 'a.json', simple('vendor.com/net', 'one', 'FROM=high'));
  file(low, 'twice1.json', simple('vendor.com/twice', 'x', 'A=1'));
  file(low, 'twice2.json', simple('vendor.com/twice', 'x', 'A=2'));
  file(low, 'broken.json', '{');
  file(
    low,
    'unknown.json',
    '{"cdiVersion":"1.1.0","kind":"vendor.com/dev","devices":[{"name":"x","containerEdits":{"netDevices":[]}}]}',
  );
  file(low, 'notes.txt', 'not a specification');
});

function inject(...requests: DeviceRequest[]): OciSpec {
  const spec = {
    process: { env: ['A=b', 'FROM=image'], user: { uid: 7, gid: 8 } },
    mounts: [],
    linux: { resources: {} },
  } as unknown as OciSpec;
  new DeviceRequests(registry).addTo(spec, { DeviceRequests: requests } as HostConfig);
  return spec;
}

describe('the registry', () => {
  it('finds devices, says which files are wrong, and takes none that two files claim', () => {
    const { devices, warnings } = registry.read();
    expect([...devices.keys()].sort()).toEqual([
      'nvidia.com/gpu=0',
      'nvidia.com/gpu=all',
      'vendor.com/net=one',
    ]);
    expect(warnings.join('\n')).toMatch(/broken\.json/);
    expect(warnings.join('\n')).toMatch(/unknown\.json: invalid CDI Spec: .*netDevices/);
    expect(warnings.join('\n')).toMatch(/conflicting device vendor\.com\/twice=x/);
  });
});

describe('a container that asks for devices', () => {
  it('gets what their file wants for all and what they want themselves', () => {
    const spec = inject({ Driver: 'cdi', DeviceIDs: ['nvidia.com/gpu=all'] });
    expect(spec.process.env).toContain('NVIDIA_VISIBLE_DEVICES=void');
    expect(spec.process.user.additionalGids).toEqual([44]);
    expect(spec.hooks).toEqual({
      createContainer: [{ path: '/usr/bin/nvidia-ctk', args: ['nvidia-ctk', 'hook'] }],
    });
    expect(spec.mounts).toEqual([
      { destination: '/opt/driver', type: 'bind', source: '/usr', options: ['rbind', 'ro', 'nosuid'] },
    ]);
    expect(spec.linux.devices).toEqual([
      { path: '/dev/nvidia0', type: 'c', major: 1, minor: 5, fileMode: 0o666, uid: 7, gid: 8 },
    ]);
    expect(spec.linux.resources.devices).toEqual([
      { allow: true, type: 'c', major: 1, minor: 5, access: 'rwm' },
    ]);
  });

  it('gets the device of the directory that counts more, over its own environment', () => {
    expect(inject({ Driver: 'cdi', DeviceIDs: ['vendor.com/net=one'] }).process.env).toEqual([
      'A=b',
      'FROM=high',
    ]);
  });

  it.each([
    [{ Count: -1 }, 'rwm'],
    [{ Count: 1 }, 'rw'],
    [{ DeviceIDs: ['0'] }, 'rw'],
  ])('gets by --gpus %j what the vendor describes', (request, access) => {
    const spec = inject({ Driver: '', Capabilities: [['gpu']], ...request });
    expect(spec.linux.resources.devices).toMatchObject([{ access }]);
  });

  it.each<[DeviceRequest, string]>([
    [{ Driver: 'cdi', DeviceIDs: ['a.com/b=c'] }, 'unresolvable CDI devices a.com/b=c'],
    [{ Driver: 'cdi', DeviceIDs: ['vendor.com/twice=x'] }, 'unresolvable CDI devices vendor.com/twice=x'],
    [{ Driver: 'cdi', Count: 1 }, 'unexpected count in CDI device request'],
    [{ Driver: 'cdi', Options: { a: 'b' } }, 'unexpected options in CDI device request'],
    [
      { Driver: 'x', Capabilities: [['gpu']] },
      'could not select device driver "x" with capabilities: [[gpu]]',
    ],
    [{ Capabilities: [['tpu', 'x']] }, 'could not select device driver "" with capabilities: [[tpu x]]'],
  ])('%j is refused', (request, message) => {
    expect(() => inject(request)).toThrow(message);
  });
});
