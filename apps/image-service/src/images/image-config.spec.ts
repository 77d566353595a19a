import { hostPlatform, parseImageConfig, parsePlatform } from './image-config';

const parse = (document: object) => parseImageConfig(Buffer.from(JSON.stringify(document)));

it('takes fields in any case, as Go does: Spring Boot spells them so', () => {
  const config = {
    Architecture: 'amd64',
    OS: 'linux',
    Created: '2026-11-28T10:00:00Z',
    Config: {
      env: ['A=b'],
      Labels: { cmd: 'mine' },
      HealthCheck: { test: ['NONE'] },
      volumes: { '/Data': {} },
    },
    RootFS: { Type: 'layers', Diff_IDs: [`sha256:${'a'.repeat(64)}`] },
    History: [{ Created_By: 'me' }],
  };
  expect(parse(config)).toEqual({
    architecture: 'amd64',
    os: 'linux',
    created: '2026-11-28T10:00:00Z',
    config: {
      Env: ['A=b'],
      Labels: { cmd: 'mine' },
      Healthcheck: { Test: ['NONE'] },
      Volumes: { '/Data': {} },
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] },
    history: [{ created_by: 'me' }],
  });
});

it('refuses what is no configuration', () => {
  expect(() => parseImageConfig(Buffer.from('{'))).toThrow('invalid image JSON');
  expect(() => parse({ os: 'linux' })).toThrow('invalid image JSON, no RootFS key');
});

describe('parsePlatform', () => {
  it.each([
    ['', hostPlatform()],
    ['linux', hostPlatform()],
    ['windows', { ...hostPlatform(), os: 'windows' }],
    ['aarch64', { os: 'linux', architecture: 'arm64', variant: '' }],
    ['linux/x86_64', { os: 'linux', architecture: 'amd64', variant: '' }],
    ['Linux/ARM/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
    ['linux/made-up', { os: 'linux', architecture: 'made-up', variant: '' }],
  ])('%j', (text, platform) => {
    expect(parsePlatform(text)).toEqual(platform);
  });

  it.each([
    ['foobar', '"foobar": unknown operating system or architecture: invalid argument'],
    ['a/b/c/d', '"a/b/c/d": cannot parse platform specifier: invalid argument'],
    ['  ', '"  " is an invalid OS component of "  ": OSAndVersion specifier component must match'],
    [
      'linux/amd64/',
      '"" is an invalid component of "linux/amd64/": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument',
    ],
  ])('refuses %j', (text, message) => {
    expect(() => parsePlatform(text)).toThrow(message);
  });
});
