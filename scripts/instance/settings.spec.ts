import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    applySettings(join(directory, 'none'));
    process.env = { ...environment };
    rmSync(directory, { recursive: true });
  });

  it('gives what the environment does not, and is read again', () => {
    process.env['GANTRY_LOG_LEVEL'] = 'warn';
    writeFileSync(file, '# who reads it\nGANTRY_LOG_LEVEL=debug\nGANTRY_NETNS_POOL="4"\n');
    applySettings(file);
    expect(process.env).toMatchObject({ GANTRY_LOG_LEVEL: 'warn', GANTRY_NETNS_POOL: '4' });
    writeFileSync(file, 'GANTRY_MAX_UPLOADS=2\n');
    applySettings(file);
    expect(process.env['GANTRY_NETNS_POOL']).toBeUndefined();
    expect(process.env['GANTRY_MAX_UPLOADS']).toBe('2');
  });

  it('refuses what is no setting, and changes nothing then', () => {
    writeFileSync(file, 'GANTRY_MAX_UPLOADS=2\nGANTRY_POOL=4\n');
    expect(() => applySettings(file)).toThrow(`${file}: GANTRY_POOL is no setting of Gantry`);
    expect(process.env['GANTRY_MAX_UPLOADS']).toBeUndefined();
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
