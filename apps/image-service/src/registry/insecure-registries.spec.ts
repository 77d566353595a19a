import { InsecureRegistries } from './insecure-registries';

const ADDRESSES: Record<string, string[]> = {
  registry: ['127.0.0.1'],
  'six.lan': ['::1'],
  'hub.lan': ['192.0.2.7', '10.1.2.3'],
  'far.example': ['192.0.2.7'],
  'registry-1.docker.io': ['10.1.2.3'],
};

function insecure(...insecureRegistries: string[]) {
  const asked: string[] = [];
  const registries = new InsecureRegistries({ insecureRegistries }, (hostname) => {
    asked.push(hostname);
    const addresses = ADDRESSES[hostname];
    return addresses ? Promise.resolve(addresses) : Promise.reject(new Error('ENOTFOUND'));
  });
  return { registries, asked };
}

describe('registries that plain HTTP is taken from', () => {
  it.each(['localhost', 'localhost:5000', '127.0.0.1:5000', '127.9.9.9', '[::1]:5000'])(
    '%s',
    async (host) => {
      const { registries, asked } = insecure();
      expect(await registries.has(host)).toBe(true);
      expect(asked).toEqual([]);
    },
  );

  it.each(['registry:5000', 'six.lan'])('%s, a name of this host', async (host) => {
    expect(await insecure().registries.has(host)).toBe(true);
  });

  it.each(['10.1.2.3:5000', 'hub.lan', 'hub.lan:5000'])('%s, in a range of the settings', async (host) => {
    expect(await insecure('10.0.0.0/8').registries.has(host)).toBe(true);
    expect(await insecure().registries.has(host)).toBe(false);
  });

  it('takes what the settings name, with and without a port, and asks nobody where it lies', async () => {
    const { registries, asked } = insecure('far.example', 'hub.lan:5000');
    expect(await registries.has('far.example:5000')).toBe(true);
    expect(await registries.has('hub.lan:5000')).toBe(true);
    expect(asked).toEqual([]);
    expect(await registries.has('hub.lan:6000')).toBe(false);
  });

  it.each(['far.example', 'nobody.example', '192.0.2.7:5000', 'registry-1.docker.io'])(
    'not %s',
    async (host) => {
      expect(await insecure('10.0.0.0/8').registries.has(host)).toBe(false);
    },
  );

  it('resolves a name once for the requests of a pull', async () => {
    const { registries, asked } = insecure();
    await Promise.all([registries.has('registry:5000'), registries.has('registry:5000')]);
    expect(asked).toEqual(['registry']);
  });
});
