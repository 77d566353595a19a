import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notFound } from '@gantry/shared/errors';
import { stampOf } from '@gantry/shared/validity';
import { GatewayFixture } from '../gateway.fixture';

describe('volumes are answered without asking', () => {
  let gateway: GatewayFixture;
  let asked: string[];
  /** What the fake service has on disk; `plugin` has nothing there. */
  const recordOf = (name: string) => join(gateway.directory, name, 'volume.json');
  const documentOf = (name: string) => {
    asked.push(name);
    const validWhile = stampOf(recordOf(name));
    if (!validWhile && name !== 'plugin') throw notFound(`get ${name}: no such volume`);
    return { name, json: Buffer.from(JSON.stringify({ Name: name, Asked: asked.length })), validWhile };
  };
  const make = (name: string) => {
    mkdirSync(join(gateway.directory, name));
    writeFileSync(recordOf(name), 'x');
  };
  const inspect = async (name: string) => {
    const { status, body } = await gateway.ask('GET', `/volumes/${name}`);
    return { status, ...(JSON.parse(body) as { Asked?: number }) };
  };

  beforeAll(async () => {
    gateway = await GatewayFixture.start({
      volumes: {
        inspect: async ({ name }) => documentOf(name),
        create: async ({ config }) => {
          const { Name } = JSON.parse(config.toString()) as { Name: string };
          make(Name);
          return documentOf(Name);
        },
      },
    });
  });
  beforeEach(() => (asked = []));
  afterAll(() => gateway.stop());

  it('as long as the record is the one they were read from', async () => {
    make('data');
    expect(await inspect('data')).toMatchObject({ status: 200, Asked: 1 });
    expect(await inspect('data')).toMatchObject({ status: 200, Asked: 1 });
    renameSync(join(gateway.directory, 'data'), join(gateway.directory, 'gone'));
    expect(await inspect('data')).toMatchObject({ status: 404 });
    make('data');
    expect(await inspect('data')).toMatchObject({ status: 200, Asked: 3 });
    rmSync(recordOf('data'));
    writeFileSync(recordOf('data'), 'another');
    expect(await inspect('data')).toMatchObject({ status: 200, Asked: 4 });
  });

  it('from their create on', async () => {
    expect((await gateway.ask('POST', '/volumes/create', { Name: 'made' })).status).toBe(201);
    expect(await inspect('made')).toMatchObject({ status: 200, Asked: 1 });
  });

  it('but not those of plugins', async () => {
    expect(await inspect('plugin')).toMatchObject({ Asked: 1 });
    expect(await inspect('plugin')).toMatchObject({ Asked: 2 });
  });
});
