import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineClient } from '../support/engine-client';
import { instance } from '../support/engine';

describe('cAdvisor', () => {
  const api = new EngineClient(instance.socket);

  it("finds a container's files where dockerd has said which they are", async () => {
    const { body: made } = await api.post<{ Id: string }>('/containers/create', {
      Image: 'busybox',
      Cmd: ['sleep', '60'],
    });
    await api.post(`/containers/${made.Id}/start`);
    const [{ body: info }, { body: container }] = await Promise.all([
      api.get<{ DockerRootDir: string; Driver: string }>('/info'),
      api.get<{ GraphDriver: { Data: { UpperDir: string } } }>(`/containers/${made.Id}/json`),
    ]);
    const { DockerRootDir: root, Driver: driver } = info;
    const mountId = readFileSync(join(root, 'image', driver, 'layerdb/mounts', made.Id, 'mount-id'), 'utf8');
    expect(container.GraphDriver.Data.UpperDir).toBe(join(root, driver, mountId, 'diff'));
    await api.delete(`/containers/${made.Id}?force=1`);
  });
});
