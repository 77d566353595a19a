import { parseImageConfig } from './image-config';

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
