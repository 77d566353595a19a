import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { request, type ClientRequest } from 'node:http';
import { join } from 'node:path';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { byHand } from '../support/by-hand';
import { freshName } from '../support/containers';
import { api, instance } from '../support/engine';
import { eventually } from '../support/eventually';

interface Job {
  name: string;
  state: string;
  worker?: number;
}

interface Following {
  client: ClientRequest;
  text: () => string;
  ended: Promise<void>;
}

/** Milliseconds. */
const PATIENCE_MS = 30_000;
/** Jobs go to the worker that has waited longest, which on a busy machine may be the same one for some turns. */
const TURNS = 20;

describe('a build whose image-service dies for good', () => {
  jest.setTimeout(180_000);
  const base = freshName('base');
  const built: string[] = [];
  let other: ChildProcess | undefined;

  beforeAll(async () => {
    const imported = await api.post(
      `/images/create?fromSrc=-&repo=${base}&tag=1&changes=ENV%20PATH%3D%2Fbin`,
      await busyboxRootfs(),
    );
    expect(imported.status).toBe(200);
    const address = (name: string) => `unix://${join(instance.runDir, name)}`;
    other = await byHand('image-service', {
      GANTRY_IMAGE_ADDRESS: address('image3.sock'),
      GANTRY_IMAGE_DATA_ADDRESS: address('image-data3.sock'),
    });
  });
  afterAll(async () => {
    other?.kill('SIGKILL');
    for (const name of [...built, `${base}:1`]) await api.delete(`/images/${name}?force=1`);
    await api.post('/build/prune?all=1');
  });

  it('is ended by another one from its last finished step, for the client that listens', async () => {
    const { name, following } = await buildOn(other?.pid);
    other?.kill('SIGKILL');
    await following.ended;
    expect(following.text()).toContain(`Successfully tagged ${name}:latest`);
    // What the dead one had finished is found, and what it had begun runs no more.
    expect(following.text().split('Step 2/4')[2]).toContain('Using cache');
    expect(following.text()).toContain('{"stream":"nothing else runs\\n"}');
    await eventually(async () => {
      const overlay = readdirSync(join(instance.dataRoot, 'overlay2'));
      expect(overlay.filter((entry) => entry.includes(`-${other?.pid}-`))).toEqual([]);
      expect(runningSteps()).toEqual([]);
      const { body } = await api.get<{ Containers: object }>('/networks/bridge');
      expect(body.Containers).toEqual({});
    }, PATIENCE_MS);
  });

  /** A build in the middle of a RUN that is in the hands of one process. */
  async function buildOn(worker: number | undefined): Promise<{ name: string; following: Following }> {
    for (let turn = 0; turn < TURNS; turn++) {
      const name = freshName('taken');
      built.push(name);
      const following = follow(await contextOf(name), name);
      await eventually(() => expect(following.text()).toContain('{"stream":"begun'), PATIENCE_MS);
      const { body } = await api.get<Job[]>('/gantry/jobs');
      const job = body.find(({ name: kind, state }) => kind === 'build' && state === 'active');
      if (job?.worker === worker) return { name, following };
      following.client.destroy();
      await following.ended;
    }
    throw new Error('the other image-service has got no build');
  }

  /** RUN does not end where it is run for the first time; the second time it looks whether the first one goes on. */
  function contextOf(mark: string): Promise<Buffer> {
    const writes = 'echo begun; touch /state/seen; while true; do echo >> /state/beats; sleep 0.02; done';
    const looks = 'cp /state/beats /b; sleep 1; cmp /b /state/beats && echo nothing else runs';
    const lines = [
      `FROM ${base}:1`,
      `RUN echo ${mark} > /mark`,
      `RUN --mount=type=cache,id=${mark},target=/state test -e /state/seen || { ${writes}; }; ${looks}`,
      'CMD ["cat", "/mark"]',
    ];
    return tarOf([{ header: { name: 'Dockerfile' }, body: Buffer.from(lines.join('\n')) }]);
  }

  function follow(context: Buffer, name: string): Following {
    let text = '';
    const client = request({
      socketPath: instance.socket,
      method: 'POST',
      path: `/build?t=${name}`,
      headers: { 'content-type': 'application/x-tar', 'content-length': context.length },
    });
    const ended = new Promise<void>((resolve) => {
      client.on('error', () => resolve());
      client.once('response', (response) => {
        response.on('error', () => resolve());
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.once('close', resolve);
      });
    });
    client.end(context);
    return { client, text: () => text, ended };
  }

  function runningSteps(): string[] {
    const directory = join(instance.runDir, 'build');
    return existsSync(directory) ? readdirSync(directory) : [];
  }
});
