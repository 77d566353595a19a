import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIRECTIVES } from './directives.mjs';
import { SETTINGS, applySettings } from './settings.mjs';

describe('the file of settings', () => {
  let directory: string;
  let file: string;
  const environment = { ...process.env };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-settings-'));
    file = join(directory, 'x.env');
  });
  afterEach(() => {
    applySettings({ settings: join(directory, 'none') });
    process.env = { ...environment };
    rmSync(directory, { recursive: true });
  });

  it('gives what the environment does not, and is read again', () => {
    process.env['GANTRY_LOG_LEVEL'] = 'warn';
    writeFileSync(file, '# who reads it\nGANTRY_LOG_LEVEL=debug\nGANTRY_NETNS_POOL="4"\n');
    applySettings({ settings: file });
    expect(process.env).toMatchObject({ GANTRY_LOG_LEVEL: 'warn', GANTRY_NETNS_POOL: '4' });
    writeFileSync(file, 'GANTRY_MAX_UPLOADS=2\n');
    applySettings({ settings: file });
    expect(process.env['GANTRY_NETNS_POOL']).toBeUndefined();
    expect(process.env['GANTRY_MAX_UPLOADS']).toBe('2');
  });

  it('refuses what is no setting, and changes nothing then', () => {
    writeFileSync(file, 'GANTRY_MAX_UPLOADS=2\nGANTRY_POOL=4\n');
    expect(() => applySettings({ settings: file })).toThrow(`${file}: GANTRY_POOL is no setting of Gantry`);
    expect(process.env['GANTRY_MAX_UPLOADS']).toBeUndefined();
  });
});

describe('a file in the format of dockerd', () => {
  let directory: string;
  let config: string;
  let settings: string;
  const environment = { ...process.env };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-daemon-json-'));
    config = join(directory, 'daemon.json');
    settings = join(directory, 'x.env');
  });
  afterEach(() => {
    applySettings({ settings: join(directory, 'none') });
    process.env = { ...environment };
    rmSync(directory, { recursive: true });
  });
  const apply = (document: unknown, flags?: Record<string, string>) => {
    writeFileSync(config, typeof document === 'string' ? document : JSON.stringify(document));
    applySettings({ settings, config, flags });
  };

  it('says what variables say, and is read again', () => {
    apply({
      'data-root': '/srv/x',
      hosts: ['fd://', 'tcp://127.0.0.1:2375'],
      debug: true,
      tls: true,
      tlscert: '/c.pem',
      'insecure-registries': ['reg.test:5000', '10.0.0.0/8'],
      'max-concurrent-downloads': 6,
      'default-address-pools': [
        { base: '172.30.0.0/16', size: 24 },
        { base: 'fd00:1::/48', size: 64 },
      ],
      ipv6: true,
      'fixed-cidr-v6': 'fd00:2::/64',
      'exec-opts': ['native.cgroupdriver=systemd'],
      'log-opts': { 'max-size': '10m' },
      'default-ulimits': { nofile: { Name: 'nofile', Hard: 20, Soft: 10 } },
      labels: ['a=1', 'b=2,3'],
      icc: false,
      'live-restore': true,
      'storage-driver': 'overlay2',
    });
    expect(process.env).toMatchObject({
      GANTRY_DATA_ROOT: '/srv/x',
      GANTRY_HOSTS: 'fd://,tcp://127.0.0.1:2375',
      GANTRY_LOG_LEVEL: 'debug',
      GANTRY_TLS_VERIFY: '0',
      GANTRY_TLS_CERT: '/c.pem',
      GANTRY_INSECURE_REGISTRIES: 'reg.test:5000,10.0.0.0/8',
      GANTRY_MAX_DOWNLOADS: '6',
      GANTRY_DEFAULT_ADDRESS_POOLS: 'base=172.30.0.0/16,size=24 base=fd00:1::/48,size=64',
      GANTRY_BRIDGE_IPV6: 'fd00:2::/64',
      GANTRY_CGROUP_DRIVER: 'systemd',
      GANTRY_LOG_OPTS: '{"max-size":"10m"}',
      GANTRY_DEFAULT_ULIMITS: 'nofile=10:20',
      GANTRY_LABELS: '["a=1","b=2,3"]',
      GANTRY_ICC: '0',
    });
    apply({ 'log-level': 'warn' });
    expect(process.env['GANTRY_DATA_ROOT']).toBeUndefined();
    expect(process.env['GANTRY_LOG_LEVEL']).toBe('warn');
    apply('');
    expect(process.env['GANTRY_LOG_LEVEL']).toBeUndefined();
  });

  it('is named by a variable, or lies where it is looked for', () => {
    writeFileSync(config, '{"debug":true}');
    applySettings({ settings, defaultConfig: config });
    expect(process.env['GANTRY_LOG_LEVEL']).toBe('debug');
    writeFileSync(settings, `GANTRY_CONFIG_FILE=${config}\n`);
    applySettings({ settings, defaultConfig: join(directory, 'none') });
    expect(process.env['GANTRY_LOG_LEVEL']).toBe('debug');
    const none = join(directory, 'none');
    expect(() => applySettings({ settings, config: none })).toThrow(
      `open ${none}: no such file or directory`,
    );
  });

  it.each([
    [
      { foo: 1, debug: true, bar: {} },
      "the following directives don't match any configuration option: foo, bar",
    ],
    [
      { 'log-level': 1 },
      'invalid JSON: json: cannot unmarshal number into Go struct field Config.log-level of type string',
    ],
    ['[]', 'invalid JSON: json: cannot unmarshal array into Go value of type map[string]interface {}'],
    ['{', 'invalid JSON: '],
    [
      { runtimes: { nvidia: {} }, 'live-restore': false, debug: true },
      'the following directives are dockerd\'s, and Gantry does not honour them: runtimes: {"nvidia":{}}, live-restore: false',
    ],
  ])('is refused as dockerd refuses it: %j', (document, why) => {
    expect(() => apply(document)).toThrow(
      `unable to configure the Docker daemon with file ${config}: ${why}`,
    );
    expect(process.env['GANTRY_LOG_LEVEL']).toBeUndefined();
  });

  it('says nothing that an option or a variable says too', () => {
    const twice = 'the following directives are specified both as a flag and in the configuration file: ';
    expect(() => apply({ hosts: ['unix:///x'] }, { GANTRY_HOSTS: '[fd://]' })).toThrow(
      `${twice}hosts: (from flag: [fd://], from file: [unix:///x])`,
    );
    writeFileSync(settings, 'GANTRY_MAX_UPLOADS=2\n');
    expect(() => apply({ 'max-concurrent-uploads': 4 })).toThrow(
      `${twice}max-concurrent-uploads: (from flag: GANTRY_MAX_UPLOADS=2, from file: 4)`,
    );
  });

  it('leads to settings that there are', () => {
    const variables = Object.values(DIRECTIVES).flatMap(({ variable }) => variable ?? []);
    expect(variables.filter((name) => !SETTINGS.has(name))).toEqual([]);
  });
});

describe('the list of settings', () => {
  const root = join(__dirname, '..', '..');
  const named = (text: string) =>
    new Set(text.match(/\b(GANTRY_[A-Z][A-Z0-9_]*[A-Z0-9]|DATABASE_URL|REDIS_URL)\b/g));
  /** Told by one process of Gantry to another, by a test, or by whoever made an image of it. */
  const internal = /^GANTRY_(LISTEN_FDS|FAULT_DIR|GIT_COMMIT|TEST_\w+|KERNEL_DIR)$/;

  it('has all that sources read', () => {
    const sources = execFileSync(
      'grep',
      ['-rhE', '(GANTRY_[A-Z]|DATABASE_URL|REDIS_URL)', 'apps', 'packages', 'scripts'].concat(
        '--include=*.ts',
        '--include=*.mjs',
        '--exclude=*.spec.ts',
        '--exclude=*.fixture.ts',
        '--exclude-dir=node_modules',
        '--exclude-dir=dist',
      ),
      { cwd: root, encoding: 'utf8' },
    );
    expect([...named(sources)].filter((name) => !SETTINGS.has(name) && !internal.test(name))).toEqual([]);
  });

  it('is what README explains', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    // A row may name several: `GANTRY_TLS_CACERT`, `_CERT`, `_KEY`.
    const words = readme.match(/`_?[A-Z][A-Z0-9_]+`/g)?.map((word) => word.slice(1, -1)) ?? [];
    const explained = (name: string) =>
      words.includes(name) || words.some((word) => word.startsWith('_') && name.endsWith(word));
    expect([...SETTINGS].filter((name) => !explained(name))).toEqual([]);
  });
});
