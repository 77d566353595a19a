import { api, docker, pidOf } from '../support/engine';
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
