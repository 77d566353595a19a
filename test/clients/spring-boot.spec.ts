import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { instance } from '../support/engine';
import { EngineClient } from '../support/engine-client';
import { sha256 } from '../support/image-archive';

interface Described {
  Os: string;
  Architecture: string;
  Config: { Env: string[]; Labels: Record<string, string> };
}

describe('Spring Boot, which builds images with buildpacks', () => {
  const api = new EngineClient(instance.socket);
  const name = 'spring-boot-builder:test';

  afterAll(() => api.delete(`/images/${name}?force=1`));

  it('loads a builder whose configuration has its fields in capitals, and containers have what it says', async () => {
    const layer = await busyboxRootfs();
    const config = Buffer.from(
      JSON.stringify({
        Config: { Env: ['PATH=/bin', 'CNB_USER_ID=1001'], Cmd: ['/bin/sh'], Labels: { made: 'here' } },
        Created: '1980-01-01T00:00:01Z',
        History: [{}],
        Os: 'linux',
        Architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
        RootFS: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
      }),
    );
    const manifest = [{ Config: `${sha256(config)}.json`, Layers: ['layer.tar'], RepoTags: [name] }];
    const archive = await tarOf([
      { header: { name: 'layer.tar' }, body: layer },
      { header: { name: `${sha256(config)}.json` }, body: config },
      { header: { name: 'manifest.json' }, body: Buffer.from(JSON.stringify(manifest)) },
    ]);
    expect((await api.post('/images/load', archive)).text).toContain(`Loaded image: ${name}`);

    const { body: image } = await api.get<Described & { Id: string }>(`/images/${name}/json`);
    expect(image).toMatchObject({
      Id: `sha256:${sha256(config)}`,
      Os: 'linux',
      Config: { Labels: { made: 'here' } },
    });
    const { body: made } = await api.post<{ Id: string }>('/containers/create', { Image: name });
    const { body: container } = await api.get<Described>(`/containers/${made.Id}/json`);
    expect(container.Config).toMatchObject({
      Env: ['PATH=/bin', 'CNB_USER_ID=1001'],
      Labels: { made: 'here' },
    });
    await api.delete(`/containers/${made.Id}?force=1`);
  });
});
