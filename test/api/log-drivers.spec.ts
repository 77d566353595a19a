import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import {
  createContainer,
  freshName,
  removeContainer,
  runContainer,
  startContainer,
} from '../support/containers';
import { api, docker, killService } from '../support/engine';
import { eventually } from '../support/eventually';

interface Logged {
  LogPath: string;
  HostConfig: { LogConfig: { Type: string; Config: Record<string, string> } };
}
const inspect = async (id: string) => (await api.get<Logged>(`/containers/${id}/json`)).body;

describe('log drivers', () => {
  const made: string[] = [];
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });
  const keep = (id: string) => {
    made.push(id);
    return id;
  };

  it('are named by info; the default is local, capped', async () => {
    const { body } = await api.get<{ LoggingDriver: string; Plugins: { Log: string[] } }>('/info');
    expect(body.LoggingDriver).toBe('local');
    expect(body.Plugins.Log).toEqual(['fluentd', 'gelf', 'journald', 'json-file', 'local', 'syslog']);
    const id = keep(await createContainer({}));
    expect(await inspect(id)).toMatchObject({ LogPath: '', HostConfig: { LogConfig: { Type: 'local' } } });
  });

  it('json-file writes dockerd’s lines to LogPath, and docker logs reads them', async () => {
    const config = { labels: 'a', tag: '{{.Name}}', 'max-size': '1m' };
    const ran = await runContainer({
      cmd: ['sh', '-c', 'echo "<one>"; echo two >&2; printf three'],
      config: { Labels: { a: '1' } },
      host: { LogConfig: { Type: 'json-file', Config: config } },
    });
    keep(ran.id);
    expect(ran).toMatchObject({ stdout: '<one>\nthree', stderr: 'two\n' });
    const { LogPath } = await inspect(ran.id);
    const lines = readFileSync(LogPath, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines.find((each) => each.includes('one'))).toMatch(
      /^\{"log":"\\u003cone\\u003e\\n","stream":"stdout","attrs":\{"a":"1","tag":"[^"]+"\},"time":"[-0-9T:.]+Z"\}$/,
    );
  });

  it('json-file has every line once when container-service is killed while it writes', async () => {
    const name = freshName('killed');
    const id = keep(
      await startContainer({
        name,
        cmd: ['sh', '-c', 'for i in $(seq 40); do seq 500; sleep .05; done'],
        host: { LogConfig: { Type: 'json-file', Config: {} } },
      }),
    );
    const { LogPath } = await inspect(id);
    await eventually(() => {
      if (!existsSync(LogPath) || readFileSync(LogPath).length < 100_000) throw new Error('not yet');
    });
    await killService('container');
    await api.post(`/containers/${id}/wait`);
    const expected = Array.from({ length: 500 }, (_, index) => `${index + 1}\n`)
      .join('')
      .repeat(40);
    expect((await docker(['logs', name])).stdout).toBe(expected);
    const written = readFileSync(LogPath, 'utf8').trim().split('\n');
    expect(written.map((each) => (JSON.parse(each) as { log: string }).log).join('')).toBe(expected);
  });

  it('a remote driver has all lines before its container is gone, and docker logs shows them too', async () => {
    let received = '';
    const server = createServer((socket) => socket.on('data', (data) => (received += data.toString())));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = [
      '--log-driver',
      'syslog',
      '--log-opt',
      `syslog-address=${address}`,
      '--log-opt',
      'tag=t',
    ];
    expect(await docker(['run', '--rm', ...options, 'busybox', 'seq', '1000'])).toMatchObject({ code: 0 });
    await eventually(() => {
      const numbers = [...received.matchAll(/^<30>.* t\[\d+\]: (\d+)$/gm)].map(([, number]) =>
        Number(number),
      );
      expect(numbers).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    });
    const name = freshName('remote');
    await docker(['run', '--name', name, ...options, 'busybox', 'echo', 'cached']);
    keep(name);
    expect((await docker(['logs', name])).stdout).toBe('cached\n');
    server.close();
    await docker(['run', '-d', '--name', `${name}-late`, '--log-driver=none', 'busybox', 'true']);
    keep(`${name}-late`);
    expect((await docker(['logs', `${name}-late`])).stderr).toContain('does not support reading');
    const refused = await docker(['run', '--rm', ...options, 'busybox', 'true']);
    expect(refused.stderr).toContain('failed to initialize logging driver: dial tcp 127.0.0.1:');
  });
});
