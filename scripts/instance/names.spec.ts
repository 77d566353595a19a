import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimDirectories, instanceNames, ownerOf, serviceEnvironment } from './names.mjs';

describe('instanceNames', () => {
  it('derives everything from the name', () => {
    expect(instanceNames({ name: 'blue' }, {})).toEqual({
      name: 'blue',
      runDir: '/run/blue',
      dataRoot: '/var/lib/blue',
      hosts: ['unix:///run/blue/docker.sock'],
      databaseUrl: 'postgresql://postgres@localhost/blue?host=/run/blue/postgres',
      redisUrl: 'unix:///run/blue/redis.sock',
      privatePostgres: true,
      privateRedis: true,
    });
  });

  it('takes the environment where no option is given', () => {
    const env = {
      GANTRY_INSTANCE: 'red',
      GANTRY_HOSTS: 'unix:///a,tcp://127.0.0.1:2375',
      DATABASE_URL: 'postgresql://db/x',
    };
    expect(instanceNames({ runDir: '/tmp/red/' }, env)).toMatchObject({
      name: 'red',
      runDir: '/tmp/red',
      hosts: ['unix:///a', 'tcp://127.0.0.1:2375'],
      databaseUrl: 'postgresql://db/x',
      privatePostgres: false,
    });
  });

  it.each(['Blue', '1x', 'waytoolongname', 'a/b', '..', 'docker', 'eth', 'filter'])(
    'refuses the name %s',
    (name) => {
      expect(() => instanceNames({ name }, {})).toThrow('instance name');
    },
  );

  it.each(['relative', '/'])('refuses the data root %s', (dataRoot) => {
    expect(() => instanceNames({ name: 'blue', dataRoot }, {})).toThrow('absolute path');
  });

  it('tells the services what they read', () => {
    const env = serviceEnvironment(instanceNames({ name: 'blue' }, {}), { PATH: '/bin' });
    expect(env).toMatchObject({
      PATH: '/bin',
      GANTRY_INSTANCE: 'blue',
      GANTRY_HOSTS: 'unix:///run/blue/docker.sock',
    });
  });
});

describe('claimDirectories', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'gantry-names-'))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const names = (name: string) =>
    instanceNames({ name, runDir: join(directory, 'run'), dataRoot: join(directory, 'data') }, {});

  it('marks new directories and takes its own again', () => {
    claimDirectories(names('blue'));
    writeFileSync(join(directory, 'data', 'file'), '');
    claimDirectories(names('blue'));
    expect(ownerOf(join(directory, 'data'))).toBe('blue');
  });

  it("refuses another instance's directory", () => {
    claimDirectories(names('blue'));
    expect(() => claimDirectories(names('red'))).toThrow('belongs to the instance blue');
  });

  it('refuses a directory with files that are not Gantry’s', () => {
    mkdirSync(join(directory, 'data'));
    writeFileSync(join(directory, 'data', 'precious'), '');
    expect(() => claimDirectories(names('blue'))).toThrow("not Gantry's");
    expect(ownerOf(join(directory, 'data'))).toBeUndefined();
  });
});
