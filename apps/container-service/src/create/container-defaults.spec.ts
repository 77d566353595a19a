import { loadContainerDefaults } from './container-defaults';

describe('loadContainerDefaults', () => {
  it('has what Docker has where nothing is set', () => {
    expect(loadContainerDefaults({})).toEqual({
      log: { driver: undefined, options: {} },
      ulimits: [],
      shmSize: 64 << 20,
      cgroupnsMode: undefined,
      ipcMode: 'private',
      init: false,
      noNewPrivileges: false,
    });
  });

  it('takes options without a driver for those of json-file', () => {
    const { log } = loadContainerDefaults({ GANTRY_LOG_OPTS: '{"max-size":"1m","labels":"a,b"}' });
    expect(log).toEqual({ driver: 'json-file', options: { 'max-size': '1m', labels: 'a,b' } });
  });

  it('reads limits as --default-ulimit has them', () => {
    expect(loadContainerDefaults({ GANTRY_DEFAULT_ULIMITS: 'nofile=10:20,core=0' }).ulimits).toEqual([
      { Name: 'nofile', Soft: 10, Hard: 20 },
      { Name: 'core', Soft: 0, Hard: 0 },
    ]);
  });

  it.each([
    [
      { GANTRY_LOG_DRIVER: 'nope' },
      'GANTRY_LOG_OPTS: error looking up logging plugin nope: plugin "nope" not found',
    ],
    [{ GANTRY_LOG_OPTS: '{"foo":"1"}' }, "GANTRY_LOG_OPTS: unknown log opt 'foo' for json-file log driver"],
    [
      { GANTRY_LOG_OPTS: 'max-size=1m' },
      'GANTRY_LOG_OPTS: max-size=1m is not JSON of the form that it takes',
    ],
    [{ GANTRY_DEFAULT_ULIMITS: 'x=1' }, 'GANTRY_DEFAULT_ULIMITS: invalid ulimit type: x'],
    [{ GANTRY_DEFAULT_ULIMITS: 'nofile' }, 'GANTRY_DEFAULT_ULIMITS: invalid ulimit argument: nofile'],
    [{ GANTRY_DEFAULT_SHM_SIZE: '1x' }, "GANTRY_DEFAULT_SHM_SIZE: invalid size: '1x'"],
    [
      { GANTRY_DEFAULT_IPC_MODE: 'x' },
      'default IPC mode setting (x) is invalid; use "shareable" or "private"',
    ],
    [{ GANTRY_DEFAULT_CGROUPNS_MODE: 'x' }, 'invalid default cgroup namespace (x): use "host" or "private"'],
    [{ GANTRY_INIT: 'yes' }, 'GANTRY_INIT: '],
  ])('refuses %j', (env, message) => {
    expect(() => loadContainerDefaults(env)).toThrow(message);
  });
});
