import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { api, docker, instance, pidOf } from '../support/engine';
import { freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

describe.each(['postgres', 'redis'] as const)('kill -9 of %s', (database) => {
  jest.setTimeout(60_000);

  it('stops no container, and everything works again when it is back', async () => {
    const name = freshName(`without-${database}`);
    const id = await startContainer({
      name,
      cmd: ['sh', '-c', 'trap "exit 5" TERM; while :; do sleep .05; done'],
    });
    const { Pid } = (await inspect(id)).State;
    const since = Math.floor(Date.now() / 1000);
    const before = pidOf(database);
    process.kill(before, 'SIGKILL');
    await eventually(() => expect(pidOf(database)).not.toBe(before));

    await eventually(async () => {
      expect((await docker(['run', '--rm', '-v', `${name}:/d`, 'busybox', 'echo', 'again'])).stdout).toBe(
        'again\n',
      );
    }, 30_000);
    expect((await inspect(id)).State).toMatchObject({ Running: true, Pid });
    expect((await docker(['stop', name])).code).toBe(0);
    expect((await inspect(id)).State).toMatchObject({ Status: 'exited', ExitCode: 5 });
    await eventually(async () => {
      const filters = encodeURIComponent(JSON.stringify({ container: [id] }));
      const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}&filters=${filters}`);
      expect(text).toContain('"Action":"die"');
    });
    await removeContainer(id);
    expect((await api.delete(`/volumes/${name}`)).status).toBe(204);
  });
});

describe('a Redis that stands still', () => {
  jest.setTimeout(90_000);

  it('is waited for so long and no longer, containers do without it, and nothing is left behind', async () => {
    const ingest = join(instance.dataRoot, 'image', 'ingest');
    const uploads = () => readdirSync(ingest).filter((name) => name.startsWith('upload-'));
    const before = uploads();
    const name = freshName('still');
    const redis = pidOf('redis');
    process.kill(redis, 'SIGSTOP');
    try {
      const late = Promise.all([
        api.get(`/events?since=1&until=2`),
        api.get('/gantry/jobs'),
        api.post('/images/create?fromImage=127.0.0.1:1/x&tag=1'),
        api.post(`/images/create?fromSrc=-&repo=${name}`, Buffer.alloc(1024)),
      ]);
      expect(await docker(['run', '--rm', '--name', name, 'busybox', 'echo', 'x'])).toMatchObject({
        code: 0,
        stdout: 'x\n',
      });
      for (const { status, text } of await late) {
        expect({ status, text }).toMatchObject({
          status: 503,
          text: '{"message":"redis does not answer"}\n',
        });
      }
    } finally {
      process.kill(redis, 'SIGCONT');
    }
    // What it was told last it does now; nobody wants that any more.
    await eventually(async () => {
      const { status, text } = await api.post('/images/create?fromImage=127.0.0.1:1/x&tag=1');
      expect(status).toBe(500);
      expect(text).toContain('connection refused');
    });
    await eventually(() => expect(uploads().filter((upload) => !before.includes(upload))).toEqual([]));
    expect((await api.get(`/images/${name}/json`)).status).toBe(404);
  });
});
