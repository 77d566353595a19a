import { credentialsFor, parseRegistryConfig } from './registry-config';

const header = (document: unknown) => Buffer.from(JSON.stringify(document)).toString('base64url');

describe('X-Registry-Config', () => {
  it('is nobody’s where it is empty or Go’s null', () => {
    for (const nobody of ['', header(null), header({})]) expect(parseRegistryConfig(nobody).size).toBe(0);
    expect(() => parseRegistryConfig(header(5))).toThrow('invalid X-Registry-Config header: invalid JSON');
  });

  it('has credentials by the names that clients give registries', () => {
    const config = parseRegistryConfig(
      header({ 'https://index.docker.io/v1/': { username: 'hub' }, 'https://r:5000': { username: 'r' } }),
    );
    expect(credentialsFor(config, 'docker.io/library/busybox')).toEqual({ username: 'hub' });
    expect(credentialsFor(config, 'r:5000/a')).toEqual({ username: 'r' });
    expect(credentialsFor(config, 'other/a')).toBe(undefined);
  });
});
