import { loadInstanceConfig, SettingError } from './index';

describe('loadInstanceConfig', () => {
  it('derives every name from the instance', () => {
    const config = loadInstanceConfig({ GANTRY_INSTANCE: 'blue' });
    expect(config).toMatchObject({
      runDir: '/run/blue',
      dataRoot: '/var/lib/blue',
      bridgeName: 'blue0',
      nftTable: 'blue',
      cgroupParent: '/blue',
      redisPrefix: 'blue:',
      redisUrl: 'unix:///run/blue/redis.sock',
      databaseUrl: 'postgresql://postgres@localhost/blue?host=/run/blue/postgres',
    });
    expect(config.addresses.image).toBe('unix:///run/blue/image.sock');
  });

  it.each(['Blue', '1x', 'waytoolongname', 'a/b'])('refuses the instance name %s', (name) => {
    expect(() => loadInstanceConfig({ GANTRY_INSTANCE: name })).toThrow('GANTRY_INSTANCE');
  });

  it.each([
    { GANTRY_LOG_LEVEL: 'loud' },
    { GANTRY_CGROUP_DRIVER: 'x' },
    { REDIS_URL: 'nonsense' },
    { GANTRY_USERNS_REMAP: 'no-such-user' },
  ])('refuses %j in one line that names it', (env) => {
    const refused = () => loadInstanceConfig(env);
    expect(refused).toThrow(SettingError);
    expect(refused).toThrow(new RegExp(`^${Object.keys(env)[0]}: [^\\n]+$`));
  });

  it('wants all of the TLS files or none', () => {
    expect(() => loadInstanceConfig({ GANTRY_RPC_CA: '/ca.pem' })).toThrow('given together');
  });
});
