import { connect } from 'node:net';
import { once } from 'node:events';
import { api, instance } from '../support/engine';
import { readFrames, splitFrames } from '../support/engine-client';
import { createContainer, removeContainer, runContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

describe('streams', () => {
  const made: string[] = [];
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });

  const attachable = async (cmd: string[], config: Record<string, unknown> = {}): Promise<string> => {
    const id = await createContainer({ cmd, config: { AttachStdout: true, AttachStderr: true, ...config } });
    made.push(id);
    return id;
  };

  it('attach before start loses nothing', async () => {
    const id = await attachable(['sh', '-c', 'echo out; echo err >&2']);
    const { socket, headers } = await api.upgrade(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
    expect(headers['content-type']).toBe('application/vnd.docker.multiplexed-stream');
    await api.post(`/containers/${id}/start`);
    expect(await readFrames(socket)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('carries stdin to its end, and the answer after it', async () => {
    const id = await attachable(['sha1sum'], { OpenStdin: true, StdinOnce: true, AttachStdin: true });
    const { socket } = await api.upgrade(`/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`);
    await api.post(`/containers/${id}/start`);
    socket.end(Buffer.alloc(1_048_577, 'x'));
    const { createHash } = await import('node:crypto');
    const digest = createHash('sha1').update(Buffer.alloc(1_048_577, 'x')).digest('hex');
    expect((await readFrames(socket)).stdout).toBe(`${digest}  -\n`);
  });

  it('hijacks without an Upgrade header too', async () => {
    const id = await attachable(['cat'], { OpenStdin: true, StdinOnce: true, AttachStdin: true });
    const socket = connect({ path: instance.socket, allowHalfOpen: true });
    await once(socket, 'connect');
    socket.write(
      `POST /containers/${id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nContent-Type: text/plain\r\n\r\n`,
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await api.post(`/containers/${id}/start`);
    socket.end('hello\n');
    expect((await readFrames(socket)).stdout).toBe('hello\n');
  });

  it('sends a terminal raw', async () => {
    const id = await attachable(['sh', '-c', 'tty; echo err >&2'], { Tty: true });
    const { socket, headers } = await api.upgrade(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
    expect(headers['content-type']).toBe('application/vnd.docker.raw-stream');
    await api.post(`/containers/${id}/start`);
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    expect(Buffer.concat(parts).toString()).toBe('/dev/pts/0\r\nerr\r\n');
  });

  it('answers an error before it hijacks', async () => {
    await expect(api.upgrade('/containers/nonesuch/attach?stream=1')).rejects.toThrow('404');
  });

  it('runs a command in a container and knows its exit code', async () => {
    const id = await startContainer({});
    made.push(id);
    const exec = await api.post<{ Id: string }>(`/containers/${id}/exec`, {
      Cmd: ['sh', '-c', 'cat; echo $X >&2; exit 9'],
      Env: ['X=from-env'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    expect(exec.status).toBe(201);
    const { socket } = await api.upgrade(`/exec/${exec.body.Id}/start`, { Detach: false, Tty: false });
    socket.end('typed');
    expect(await readFrames(socket)).toEqual({ stdout: 'typed', stderr: 'from-env\n' });
    expect((await api.get(`/exec/${exec.body.Id}/json`)).body).toMatchObject({ Running: false, ExitCode: 9 });
  });

  it('replays and follows a log to its end', async () => {
    const id = await startContainer({ cmd: ['sh', '-c', 'for i in 1 2 3; do echo l$i; sleep .1; done'] });
    made.push(id);
    const answer = await api.get(`/containers/${id}/logs?follow=1&stdout=1`);
    expect(splitFrames(Buffer.from(answer.text, 'utf8')).stdout).toBe('l1\nl2\nl3\n');
  });

  it.each([
    ['tail=2', '9\n10\n'],
    ['tail=0', ''],
    ['tail=all', '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n'],
  ])('logs with %s', async (query, expected) => {
    const { id } = await runContainer({ cmd: ['seq', '10'] });
    made.push(id);
    const { text } = await api.get(`/containers/${id}/logs?stdout=1&${query}`);
    expect(splitFrames(Buffer.from(text)).stdout).toBe(expected);
  });

  it('the log of a container that printed nothing is empty, and ends', async () => {
    const id = await startContainer({});
    made.push(id);
    for (const query of ['', '&tail=5', '&since=1', '&until=1']) {
      expect(await api.get(`/containers/${id}/logs?stdout=1&stderr=1${query}`)).toMatchObject({
        status: 200,
        text: '',
      });
    }
    const following = api.get(`/containers/${id}/logs?stdout=1&follow=1`);
    await api.post(`/containers/${id}/kill`);
    expect(await following).toMatchObject({ status: 200, text: '' });
  });

  it('keeps a line without its end as it is', async () => {
    const ran = await runContainer({ cmd: ['printf', 'no newline'] });
    made.push(ran.id);
    expect(ran.stdout).toBe('no newline');
  });

  it('tells what happened', async () => {
    const since = Math.floor(Date.now() / 1000);
    const { id } = await runContainer({ cmd: ['sh', '-c', 'exit 4'] });
    await removeContainer(id);
    const filters = encodeURIComponent(JSON.stringify({ container: [id] }));
    await eventually(async () => {
      const { text } = await api.get(
        `/events?since=${since}&until=${Math.floor(Date.now() / 1000) + 1}&filters=${filters}`,
      );
      const events = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { Action: string; Actor: { Attributes: Record<string, string> } });
      expect(events.map(({ Action }) => Action)).toEqual(['create', 'start', 'die', 'destroy']);
      expect(events[2]?.Actor.Attributes).toMatchObject({ exitCode: '4', image: 'busybox' });
    });
  });
});
