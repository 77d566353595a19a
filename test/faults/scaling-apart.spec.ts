import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { buildWithSession } from '../support/buildkit-client';
import { busyboxRootfs } from '../support/busybox-image';
import { byHand } from '../support/by-hand';
import { api, instance, killService } from '../support/engine';
import { createContainer, freshName, removeContainer } from '../support/containers';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';

describe('two gateways and two image-services', () => {
  jest.setTimeout(60_000);
  const secondSocket = join(instance.runDir, 'second.sock');
  const second = new EngineClient(secondSocket);
  let gateway: ChildProcess;
  let images: ChildProcess;

  beforeAll(async () => {
    const address = (name: string) => `unix://${join(instance.runDir, name)}`;
    images = await byHand('image-service', {
      GANTRY_IMAGE_ADDRESS: address('image2.sock'),
      GANTRY_IMAGE_DATA_ADDRESS: address('image-data2.sock'),
    });
    gateway = await byHand('api-gateway', {
      GANTRY_HOSTS: `unix://${secondSocket}`,
      GANTRY_IMAGE_ADDRESS: address('image2.sock'),
      GANTRY_IMAGE_DATA_ADDRESS: address('image-data2.sock'),
    });
  });
  afterAll(async () => {
    for (const child of [gateway, images]) {
      if (!child || child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  });

  it('a container made through one is seen through the other at once', async () => {
    const id = await createContainer({}, second);
    expect((await api.get(`/containers/${id}/json`)).status).toBe(200);
    await removeContainer(id);
    expect((await second.get(`/containers/${id}/json`)).status).toBe(404);
  });

  it('an image loaded through one is there for the other, tagged and removed', async () => {
    const repository = freshName('shared');
    const rootfs = await busyboxRootfs();
    await Promise.all(
      [api, second].map((engine, index) =>
        engine.post(`/images/create?fromSrc=-&repo=${repository}&tag=${index}`, rootfs),
      ),
    );
    for (const engine of [api, second]) {
      for (const tag of [0, 1])
        expect((await engine.get(`/images/${repository}:${tag}/json`)).status).toBe(200);
    }
    expect((await second.delete(`/images/${repository}:0`)).status).toBe(200);
    expect((await api.get(`/images/${repository}:0/json`)).status).toBe(404);
    await api.delete(`/images/${repository}:1`);
  });

  it('a load started through one is followed through the other', async () => {
    const repository = freshName('followed');
    const before = new Set((await api.get<{ id: string }[]>('/gantry/jobs')).body.map(({ id }) => id));
    const imported = second.post(`/images/create?fromSrc=-&repo=${repository}`, await busyboxRootfs());
    const job = await eventually(async () => {
      const { body } = await api.get<{ id: string }[]>('/gantry/jobs');
      const found = body.find(({ id }) => !before.has(id));
      expect(found).toBeDefined();
      return found;
    });
    const followed = await api.get(`/gantry/jobs/${job?.id}`);
    expect(followed.status).toBe(200);
    expect(followed.text).toBe((await imported).text);
    expect((await api.get('/gantry/jobs/0')).status).toBe(404);
    await api.delete(`/images/${repository}`);
  });

  it('a build is asked for at one, with a session at the other', async () => {
    for (const [at, sessionAt] of [
      [instance.socket, secondSocket],
      [secondSocket, instance.socket],
    ] as const) {
      const run = 'RUN --mount=type=secret,id=s cat /run/secrets/s /c/a';
      const files = [
        { path: 'Dockerfile', content: `FROM busybox\nENV AT=${at}\nCOPY . /c\n${run}\n` },
        { path: 'a', content: 'of the context' },
      ];
      const built = await buildWithSession(at, files, { sessionAt, secrets: { s: `told to ${at}, ` } });
      expect(built).toMatchObject({ error: '' });
      expect(built.log).toContain(`told to ${at}, of the context`);
    }
  });

  it('killing one of each loses nothing', async () => {
    const repository = freshName('survivor');
    const rootfs = await busyboxRootfs();
    const imported = second.post(`/images/create?fromSrc=-&repo=${repository}`, rootfs);
    // The other worker and the other gateway die while the import runs.
    await Promise.all([killService('image'), killService('gateway')]);
    expect((await imported).status).toBe(200);
    await eventually(
      async () => expect((await api.get(`/images/${repository}/json`)).status).toBe(200),
      20_000,
    );
    await api.delete(`/images/${repository}`);
  });
});
