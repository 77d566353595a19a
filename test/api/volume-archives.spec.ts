import { createHash } from 'node:crypto';
import { request, type IncomingMessage } from 'node:http';
import { api } from '../support/engine';
import { freshName, removeContainer, runContainer, startContainer } from '../support/containers';

interface Download {
  status: number;
  headers: IncomingMessage['headers'];
  trailers: NodeJS.Dict<string>;
  body: Buffer;
}

describe('archives and clones of volumes', () => {
  const names: string[] = [];
  const named = (what: string): string => {
    const name = freshName(what);
    names.push(name);
    return name;
  };
  afterAll(async () => {
    for (const name of names) await api.delete(`/volumes/${name}`);
  });
  const inVolume = async (name: string, command: string): Promise<string> => {
    const { id, stdout, stderr } = await runContainer({
      cmd: ['sh', '-c', command],
      host: { Binds: [`${name}:/v`] },
    });
    await removeContainer(id);
    return stdout + stderr;
  };
  const jsonLines = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it.each(['none', 'zstd'])('a volume is backed up and restored (compression: %s)', async (compression) => {
    const [first, second] = [named('backup'), named('restore')];
    await inVolume(first, 'echo precious >/v/f; chown -R 1500:1600 /v; chmod 700 /v');
    const backup = await download(`/gantry/volumes/${first}/archive?compression=${compression}`);
    const digest = `sha256:${createHash('sha256').update(backup.body).digest('hex')}`;
    expect(backup.trailers['gantry-archive-digest']).toBe(digest);
    expect(backup.headers).toMatchObject({ 'gantry-volume-bytes': '9', 'gantry-volume-entries': '1' });
    const restored = await api.put(`/gantry/volumes/${second}/archive?digest=${digest}`, backup.body);
    expect(jsonLines(restored.text).at(-1)).toEqual({
      status: 'Restored',
      id: second,
      progressDetail: { current: backup.body.length, total: backup.body.length },
      aux: { Digest: digest, Entries: 2, Bytes: backup.body.length },
    });
    expect(await inVolume(second, 'cat /v/f; stat -c "%u %g %a" /v')).toBe('precious\n1500 1600 700\n');
  });

  it('a clone is a volume of its own', async () => {
    const [first, second] = [named('original'), named('clone')];
    await inVolume(first, 'echo one >/v/f');
    const cloned = await api.post<{ Name: string }>(`/gantry/volumes/${first}/clone`, {
      Name: second,
      Labels: { a: 'b' },
    });
    expect(cloned).toMatchObject({ status: 201, body: { Name: second, Labels: { a: 'b' } } });
    await inVolume(second, 'echo two >/v/f');
    expect(await inVolume(first, 'cat /v/f')).toBe('one\n');
    expect((await api.post(`/gantry/volumes/${first}/clone`, { Name: second })).status).toBe(409);
  });

  it('says what is wrong before it begins', async () => {
    const name = named('wrong');
    expect((await download('/gantry/volumes/nothing/archive')).status).toBe(404);
    await api.post('/volumes/create', { Name: name });
    expect((await download(`/gantry/volumes/${name}/archive?compression=rar`)).status).toBe(400);
    expect(await api.put(`/gantry/volumes/${name}/archive?digest=nothing`, Buffer.alloc(0))).toMatchObject({
      status: 400,
      body: { message: 'invalid digest nothing' },
    });
    expect((await api.put(`/gantry/volumes/${name}/archive`, Buffer.alloc(1024, 'x'))).status).toBe(400);
    const id = await startContainer({ host: { Binds: [`${name}:/v`] } });
    expect(await api.put(`/gantry/volumes/${name}/archive`, Buffer.alloc(1024))).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining(id) as string },
    });
    await removeContainer(id);
  });
});

function download(path: string): Promise<Download> {
  return new Promise((resolve, reject) => {
    request({ socketPath: api.socketPath, path }, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.once('error', reject);
      incoming.once('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          trailers: incoming.trailers,
          body: Buffer.concat(parts),
        }),
      );
    })
      .once('error', reject)
      .end();
  });
}
