import { RecordingLinux, SystemError } from '../linux';
import { DefaultAppArmorProfile } from './apparmor-profile';

const EINVAL = 22;

describe('DefaultAppArmorProfile', () => {
  const linux = new RecordingLinux();
  const profile = new DefaultAppArmorProfile(linux, 'blue');
  const loads = () => linux.callsOf('appArmor', 'load');

  it('is meant where nothing is asked for, and by dockerd’s name where the host has none of that name', () => {
    expect([undefined, '', 'docker-default', 'mine'].map((asked) => profile.named(asked))).toEqual([
      ...['blue-default', 'blue-default', 'blue-default'],
      'mine',
    ]);
    linux.answer('appArmor', 'isLoaded', true);
    expect(profile.named('docker-default')).toBe('docker-default');
  });

  it('is loaded once where it is wanted and not there', async () => {
    await profile.ensure('blue-default');
    await profile.ensure('unconfined');
    expect(loads()).toEqual([]);
    linux.answer('appArmor', 'isLoaded', false);
    await profile.ensure('mine');
    await profile.ensure(undefined);
    expect(loads()).toEqual([]);
    await Promise.all([profile.ensure('blue-default'), profile.ensure('blue-default')]);
    expect(loads()).toEqual([[expect.stringContaining('profile blue-default flags=')]]);
  });

  it('is an error in dockerd’s words where the parser refuses it', async () => {
    linux.answer('appArmor', 'load', () =>
      Promise.reject(new SystemError(EINVAL, 'apparmor_parser', undefined, 'no abstractions')),
    );
    await expect(profile.ensure('blue-default')).rejects.toThrow(
      /^AppArmor enabled on system but the blue-default profile could not be loaded: .*no abstractions/,
    );
  });
});
