import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client as Postgres } from 'pg';
import {
  VolumeAttachmentServiceService,
  VolumeServiceService,
  type VolumeAttachmentServiceServer,
  type VolumeServiceServer,
} from '@gantry/proto/volume';
import { fromJson, ServiceChannel, type Client } from '@gantry/shared/grpc';
import { byHand } from '../support/by-hand';
import { instance } from '../support/engine';
import { eventually } from '../support/eventually';
import { VolumePlugin } from '../support/volume-plugin';

interface ListedVolume {
  Name: string;
  Driver: string;
}

const NODE = 'crash';
const CONTAINER = 'c'.repeat(64);
const KINDS = {
  plain: { Driver: 'local', DriverOpts: {} },
  tmpfs: { Driver: 'local', DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } },
  plugin: { Driver: 'depot', DriverOpts: {} },
};
type Kind = keyof typeof KINDS;
type Step = 'create' | 'acquire' | 'mount' | 'unmount' | 'release' | 'remove';
const STEPS: Step[] = ['create', 'acquire', 'mount', 'unmount', 'release', 'remove'];

/** Where volume-service may be killed, in which step, and whether the volume is there afterwards. */
const POINTS: [Step, string, Kind[], boolean][] = [
  ['create', 'volume-begun', ['plain'], false],
  ['create', 'volume-written', ['plain', 'plugin'], false],
  ['create', 'volume-made-by-driver', ['plugin'], true],
  ['create', 'volume-named', ['tmpfs'], true],
  ['acquire', 'volume-user-added', ['plain'], true],
  ['mount', 'volume-mounted', ['tmpfs', 'plugin'], true],
  ['mount', 'volume-marked', ['tmpfs', 'plugin'], true],
  ['unmount', 'volume-unmounted', ['tmpfs', 'plugin'], true],
  ['release', 'volume-user-removed', ['plain'], true],
  ['remove', 'volume-removed-by-driver', ['plugin'], false],
  ['remove', 'volume-unnamed', ['plain'], false],
];

/** A volume-service of its own beside the instance's, asked directly, as container-service and the gateway ask it. */
describe('kill -9 of volume-service at named points', () => {
  jest.setTimeout(60_000);
  const root = mkdtempSync(join(tmpdir(), 'volume-crash-'));
  const faults = join(root, 'faults');
  const directories = { volumes: join(root, 'data', 'volumes'), marks: join(root, 'run', 'volume-mounts') };
  const address = `unix://${join(root, 'run', 'volume.sock')}`;
  const plugin = new VolumePlugin(join(root, 'plugins', 'depot.sock'), join(root, 'depot'));
  const database = new Postgres({
    connectionString: `postgresql://postgres@localhost/${instance.name}?host=${instance.runDir}/postgres`,
  });
  let service: ChildProcess;
  let channel: ServiceChannel;
  let volumes: Client<VolumeServiceServer>;
  let attachments: Client<VolumeAttachmentServiceServer>;

  beforeAll(async () => {
    for (const directory of [faults, join(root, 'data'), join(root, 'run')]) mkdirSync(directory);
    await Promise.all([plugin.start(), database.connect(), start()]);
    channel = new ServiceChannel('volume-service', address);
    volumes = channel.client<VolumeServiceServer>(VolumeServiceService);
    attachments = channel.client<VolumeAttachmentServiceServer>(VolumeAttachmentServiceService);
  });
  afterAll(async () => {
    channel.close();
    service.kill('SIGKILL');
    await Promise.all([plugin.stop(), database.end()]);
    for (const mounted of mounts()) execFileSync('umount', [mounted]);
    rmSync(root, { recursive: true });
  });

  async function start(): Promise<void> {
    service = await byHand('volume-service', {
      GANTRY_RUN_DIR: join(root, 'run'),
      GANTRY_DATA_ROOT: join(root, 'data'),
      GANTRY_VOLUME_ADDRESS: address,
      GANTRY_NODE_ID: NODE,
      GANTRY_FAULT_DIR: faults,
      GANTRY_PLUGIN_SOCKETS: join(root, 'plugins'),
      GANTRY_PLUGIN_SPECS: '',
    });
  }

  const steps: Record<Step, (name: string, kind: Kind) => Promise<unknown>> = {
    create: (name, kind) =>
      volumes.create({ config: Buffer.from(JSON.stringify({ Name: name, ...KINDS[kind] })) }),
    acquire: (name) =>
      attachments.acquire({
        containerId: CONTAINER,
        volumes: [{ name, driver: '', driverOptions: {}, labels: {} }],
      }),
    mount: () => attachments.mount({ containerId: CONTAINER, uses: [] }),
    unmount: () => attachments.unmount({ containerId: CONTAINER }),
    release: () => attachments.release({ containerId: CONTAINER, removeAnonymous: true }),
    remove: (name) => volumes.remove({ name, force: true }),
  };
  const cases = POINTS.flatMap(([step, point, kinds, stays]) =>
    kinds.map((kind) => [step, point, kind, stays] as const),
  );

  it.each(cases)('%s, %s, %s', async (step, point, kind, stays) => {
    const name = `${point}-${kind}`;
    const at = STEPS.indexOf(step);
    for (const before of STEPS.slice(0, at)) await steps[before](name, kind);
    writeFileSync(join(faults, point), '');
    const killed = once(service, 'exit');
    await expect(steps[step](name, kind)).rejects.toThrow();
    expect(await killed).toEqual([null, 'SIGKILL']);
    expect(existsSync(join(faults, point))).toBe(false);
    await start();
    await eventually(async () => expect(await everythingAgrees()).toEqual(stays ? [name] : []));
    // Whoever asked asks again, and goes on.
    for (const after of STEPS.slice(at)) await steps[after](name, kind);
    await eventually(async () => expect(await everythingAgrees()).toEqual([]));
  });

  /** Compares the answers, the disk, the mount table, Postgres and the plugin. Gives the names of the volumes. */
  async function everythingAgrees(): Promise<string[]> {
    const listed = fromJson<{ Volumes: ListedVolume[] }>(await volumes.list({ filters: undefined })).Volumes;
    const names = listed.map(({ Name }) => Name).sort();
    const onDisk = readdirSync(directories.volumes).sort();
    const [spares, others] = [true, false].map((spare) =>
      onDisk.filter((name) => spare === name.startsWith('.spare-')),
    );
    expect(others).toEqual(names);
    // Of one life of the service.
    expect(new Set(spares?.map((name) => name.split('-')[1])).size).toBeLessThanOrEqual(1);
    const held = (await attachments.list({})).attachments;
    const users = held.map(({ volume, containerId }) => `${volume} ${containerId}`).sort();
    const refs = names.flatMap((name) => {
      const directory = join(directories.volumes, name, 'refs');
      return existsSync(directory) ? readdirSync(directory).map((id) => `${name} ${id}`) : [];
    });
    expect(refs.sort()).toEqual(users);

    const mounted = held.filter((one) => one.mounted).map(({ volume }) => volume);
    const marks = existsSync(directories.marks) ? readdirSync(directories.marks) : [];
    expect(marks.sort()).toEqual([...new Set(mounted)].sort());
    const onPlugin = listed.filter(({ Driver }) => Driver === 'depot').map(({ Name }) => Name);
    const overlaid = mounted.filter((name) => name.endsWith('tmpfs'));
    expect(mounts()).toEqual(overlaid.map((name) => join(directories.volumes, name, '_data')));

    const state = plugin.volumes();
    expect(Object.keys(state).sort()).toEqual(onPlugin.sort());
    for (const [name, { users: its }] of Object.entries(state)) {
      expect(its).toEqual(mounted.includes(name) ? [CONTAINER] : []);
    }

    const rows = await database.query<{ name: string; id: string | null }>(
      `SELECT v.name, r.container_id AS id FROM volume.volumes v LEFT JOIN volume.volume_references r
       ON r.node_id = v.node_id AND r.volume_name = v.name WHERE v.node_id = $1 ORDER BY 1, 2`,
      [NODE],
    );
    expect([...new Set(rows.rows.map((row) => row.name))]).toEqual(names);
    expect(rows.rows.flatMap(({ name, id }) => (id ? [`${name} ${id}`] : []))).toEqual(users);
    return names;
  }

  function mounts(): string[] {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    return lines.map((line) => line.split(' ')[4] ?? '').filter((point) => point.startsWith(root));
  }
});
