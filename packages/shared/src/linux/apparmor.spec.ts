import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { KernelAppArmor } from './apparmor';

const PATH = process.env['PATH'];
let place: string;
const put = (path: string, text: string, mode?: number): void => {
  mkdirSync(dirname(join(place, path)), { recursive: true });
  writeFileSync(join(place, path), text, { mode });
};

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'apparmor-'));
  put('bin/apparmor_parser', '', 0o755);
  process.env['PATH'] = `${join(place, 'bin')}:${PATH}`;
});
afterEach(() => {
  process.env['PATH'] = PATH;
  rmSync(place, { recursive: true });
});

it('confines where the kernel does and shows its profiles', () => {
  const appArmor = new KernelAppArmor({ run: jest.fn() }, place);
  expect(appArmor.available()).toBe(false);
  put('module/apparmor/parameters/enabled', 'N\n');
  put('kernel/security/apparmor/profiles', 'gantry-default (enforce)\n');
  expect(appArmor.available()).toBe(false);
  put('module/apparmor/parameters/enabled', 'Y\n');
  expect(appArmor.available()).toBe(true);
  expect(appArmor.isLoaded('gantry-default')).toBe(true);
  expect(appArmor.isLoaded('gantry')).toBe(false);
});

it('does not in a container, where securityfs is not mounted and nothing can be loaded', () => {
  put('module/apparmor/parameters/enabled', 'Y\n');
  expect(new KernelAppArmor({ run: jest.fn() }, place).available()).toBe(false);
});
