import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { extract } from 'tar-stream';
import { buildWithSession, type OfferedFile } from '../support/buildkit-client';
import { api, instance } from '../support/engine';

const run = promisify(execFile);
const dockerfile = (lines: string[]): OfferedFile => ({ path: 'Dockerfile', content: lines.join('\n') });

describe('what a build gets from the session of its client', () => {
  const names: string[] = [];
  afterAll(async () => {
    for (const name of names) await api.delete(`/images/${name}?force=1`);
    await api.post('/build/prune?all=1');
  });

  function freshImage(): string {
    const name = `session-${randomBytes(4).toString('hex')}:1`;
    names.push(name);
    return name;
  }

  it('is secrets, of which nothing stays', async () => {
    const [file, variable] = [randomBytes(12).toString('hex'), randomBytes(12).toString('hex')];
    const name = freshImage();
    const mounts = '--mount=type=secret,id=f,mode=0440,uid=7,gid=8 --mount=type=secret,id=v,env=TOKEN';
    const files = [
      dockerfile([
        'FROM busybox',
        `RUN ${mounts} stat -c "%a %u %g" /run/secrets/f; md5sum < /run/secrets/f; printf "$TOKEN" | md5sum`,
        'RUN ls -d /run/secrets; echo "[$TOKEN]"',
      ]),
    ];
    const secrets = { f: file, v: variable };
    const built = await buildWithSession(instance.socket, files, { names: name, secrets });
    expect(built.error).toBe('');
    expect(built.log).toBe(
      `440 7 8\n${md5(file)}  -\n${md5(variable)}  -\nls: /run/secrets: No such file or directory\n[]\n`,
    );
    const kept = await run('grep', ['-rlaE', `${file}|${variable}`, instance.dataRoot, instance.runDir], {
      encoding: 'utf8',
    }).catch((error: { stdout: string }) => error);
    expect(kept.stdout).toBe('');
    const history = await api.get(`/images/${name}/history`);
    expect(history.text).not.toMatch(new RegExp(`${file}|${variable}|TOKEN=`));
    // Another value is no other step.
    const again = await buildWithSession(instance.socket, files, { secrets: { f: 'x', v: 'y' } });
    expect([...again.vertexes.values()].filter(({ cached }) => cached)).toHaveLength(2);
  });

  it.each([
    ['a secret that is not there', 'type=secret,id=none', { secrets: {} }, ''],
    ['a secret that has to be', 'type=secret,id=none,required', { secrets: {} }, 'secret none: not found'],
    ['no secrets at all', 'type=secret,id=none,required', {}, 'secret none: not found'],
    ['an agent that has to be', 'type=ssh,required', {}, 'no SSH key "default" forwarded from the client'],
    ['another agent', 'type=ssh,id=b,required', { agents: ['a'] }, 'unset ssh forward key b'],
    ['an agent that may be', 'type=ssh,id=b', { agents: ['a'] }, ''],
  ])('says so of %s', async (_what, mount, services, message) => {
    const files = [
      dockerfile(['FROM busybox', `RUN --mount=${mount} true # ${randomBytes(4).toString('hex')}`]),
    ];
    expect((await buildWithSession(instance.socket, files, services)).error).toBe(message);
  });

  it('is a connection to its SSH agent', async () => {
    const files = [
      dockerfile([
        'FROM busybox',
        'RUN --mount=type=ssh,required,uid=3,mode=0660 stat -c "%F %a %u" $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK',
      ]),
    ];
    const { error, log } = await buildWithSession(instance.socket, files, { agents: ['default'] });
    expect([error, log]).toEqual(['', 'socket 660 3\n/run/buildkit/ssh_agent.0\n']);
  });

  it('is files under other names, and an image in the place of another', async () => {
    const files = [
      dockerfile([
        'FROM alpine:latest',
        'COPY --from=more . /m',
        'RUN cat /m/f',
        'FROM more',
        'COPY --from=0 /m/f /g',
      ]),
    ];
    const { error, log, received } = await buildWithSession(instance.socket, files, {
      attributes: { 'context:alpine': 'docker-image://busybox', 'context:more': 'local:dir' },
      directories: { dir: [{ path: 'f', content: 'named\n' }] },
      exporter: 'tar',
    });
    expect([error, log]).toEqual(['', 'named\n']);
    expect(await archiveNames(received)).toEqual(['f', 'g']);
  });

  it('takes the files for a directory', async () => {
    const files = [
      dockerfile([
        'FROM busybox AS a',
        'RUN mkdir -p /o/d/e /o/d-f && echo x > /o/d/x && ln /o/d/x /o/y && ln -s d /o/l && chmod 4711 /o/d/x',
        'FROM scratch',
        'COPY --from=a /o /',
      ]),
    ];
    const { error, files: written } = await buildWithSession(instance.socket, files, { exporter: 'local' });
    expect(error).toBe('');
    expect(written).toEqual([
      { path: 'd', mode: 0x80000000 + 0o755, linkname: '', content: '' },
      { path: 'd/e', mode: 0x80000000 + 0o755, linkname: '', content: '' },
      { path: 'd/x', mode: 0x00800000 + 0o711, linkname: '', content: 'x\n' },
      { path: 'd-f', mode: 0x80000000 + 0o755, linkname: '', content: '' },
      { path: 'l', mode: 0x08000000 + 0o777, linkname: 'd', content: '' },
      { path: 'y', mode: 0x00800000 + 0o711, linkname: 'd/x', content: '' },
    ]);
  });

  it.each([
    ['docker', ['manifest.json', 'index.json', 'oci-layout', 'repositories']],
    ['oci', ['index.json', 'oci-layout']],
  ])('takes the image as an archive of type %s', async (exporter, documents) => {
    const name = freshImage();
    const files = [dockerfile(['FROM busybox', 'LABEL a=b'])];
    const { error, received } = await buildWithSession(instance.socket, files, { exporter, names: name });
    expect(error).toBe('');
    const entries = (await archiveNames(received)).filter((entry) => !entry.startsWith('blobs/'));
    expect(entries.sort()).toEqual([...documents].sort());
    expect((await api.get(`/images/${name}/json`)).status).toBe(404);
    const loaded = await api.post('/images/load', received);
    expect(loaded.status).toBe(200);
    expect((await api.get(`/images/${name}/json`)).status).toBe(200);
  });
});

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

async function archiveNames(archive: Buffer): Promise<string[]> {
  const names: string[] = [];
  const entries = extract();
  entries.end(archive);
  for await (const entry of entries) {
    names.push(entry.header.name);
    entry.resume();
  }
  return names;
}
