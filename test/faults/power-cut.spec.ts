import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs } from '../support/busybox-image';
import { createContainer } from '../support/containers';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { TestInstance } from '../support/test-instance';

/** A disk that writes nothing of itself for five minutes; a copy of it is what a power cut leaves. */
describe('the disk of a host that loses power', () => {
  jest.setTimeout(120_000);
  const root = mkdtempSync(join(tmpdir(), 'gantry-power-'));
  const [disk, copy] = [join(root, 'disk'), join(root, 'copy')];
  const [place, after] = [join(root, 'place'), join(root, 'after')];
  let instance: TestInstance;
  let engine: EngineClient;

  beforeAll(async () => {
    execFileSync('truncate', ['-s', '1G', disk]);
    execFileSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0', disk]);
    for (const directory of [place, after]) mkdirSync(directory);
    execFileSync('mount', ['-o', 'loop,commit=300', disk, place]);
    execFileSync('chmod', ['711', place, root]);
    instance = await TestInstance.start(`gp${Math.random().toString(36).slice(2, 8)}`, {
      dataRoot: join(place, 'data'),
    });
    engine = new EngineClient(instance.socket);
    await engine.post('/images/create?fromSrc=-&repo=busybox', await busyboxRootfs());
  });
  afterAll(async () => {
    await instance?.clean();
    execFileSync('umount', ['--lazy', place]);
    rmSync(root, { recursive: true, force: true });
  });

  /** The files below the data root, as the next boot finds them. */
  function afterTheCut(...files: string[]): string[] {
    execFileSync('cp', ['--sparse=always', disk, copy]);
    execFileSync('mount', ['-o', 'loop', copy, after]);
    try {
      return files.map((file) => readFileSync(join(after, 'data', file), 'utf8'));
    } finally {
      execFileSync('umount', [after]);
    }
  }

  it('has the volumes, networks and containers that there were', async () => {
    execFileSync('sync', ['--file-system', place]);
    const created = { Name: 'kept', Labels: { of: 'spec' } };
    await engine.post('/volumes/create', created);
    const network = (await engine.post<{ Id: string }>('/networks/create', { Name: 'kept' })).body.Id;
    const container = await createContainer({ name: 'kept', host: { Binds: ['kept:/v'] } }, engine);
    await eventually(() => {
      const [volume, net, record, snapshot, lower, link] = afterTheCut(
        'volumes/kept/volume.json',
        `network/networks/${network}.json`,
        `containers/${container}/container.json`,
        ...['snapshot.json', 'lower', 'link'].map((file) => `overlay2/${container}/${file}`),
      );
      expect(JSON.parse(volume ?? '')).toMatchObject({ name: 'kept', labels: { of: 'spec' } });
      expect(JSON.parse(net ?? '')).toMatchObject({ id: network, name: 'kept' });
      expect(JSON.parse(record ?? '')).toMatchObject({ id: container, name: 'kept' });
      expect(JSON.parse(snapshot ?? '')).toMatchObject({ containerId: container });
      expect(lower).not.toBe('');
      expect(link).not.toBe('');
    });
    expect(afterTheCut(`volumes/kept/refs/${container}`)).toEqual(['']);
  });
});
