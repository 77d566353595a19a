import { existsSync, linkSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadInstanceConfig } from '@gantry/shared/config';
import { loadGatewayConfig } from '../config';
import { ApiListeners } from './api-listeners';

describe('listeners', () => {
  let directory: string;
  const open: ApiListeners[] = [];
  const listen = async (...hosts: string[]) => {
    const listeners = new ApiListeners(
      { hosts, inherited: new Map(), socketGroup: 'nonesuch', allowPlainTcp: false, experimental: false },
      (_, response) => response.end('hi'),
    );
    open.push(listeners);
    await listeners.open();
    return listeners;
  };
  const get = (options: http.RequestOptions) =>
    new Promise<string>((resolve, reject) => {
      http
        .get({ ...options, agent: false }, (response) => {
          response.setEncoding('utf8').once('data', resolve);
        })
        .once('error', reject);
    });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'listen-'));
  });
  afterEach(async () => {
    for (const listeners of open.splice(0)) await listeners.close(50);
    rmSync(directory, { recursive: true, force: true });
  });

  it('serves several sockets, for owner and group only, and takes them away', async () => {
    const paths = [join(directory, 'a/b.sock'), join(directory, 'c.sock')];
    const listeners = await listen(...paths.map((path) => `unix://${path}`));
    for (const socketPath of paths) {
      expect(await get({ socketPath })).toBe('hi');
      expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    }
    await listeners.close(50);
    expect(paths.map((path) => existsSync(path))).toEqual([false, false]);
  });

  it('replaces a stale socket and leaves a live one and a file alone', async () => {
    const path = join(directory, 'a.sock');
    await listen(`unix://${path}`);
    await expect(listen(`unix://${path}`)).rejects.toThrow('is in use: another engine answers there');
    expect(await get({ socketPath: path })).toBe('hi');

    // A process that was killed leaves its socket behind: closing the handle alone does not unlink this one.
    const stale = join(directory, 'stale.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(stale, resolve));
    linkSync(stale, `${stale}.kept`);
    await new Promise((resolve) => server.close(resolve));
    renameSync(`${stale}.kept`, stale);
    await listen(`unix://${stale}`);
    expect(await get({ socketPath: stale })).toBe('hi');

    const file = join(directory, 'file');
    writeFileSync(file, '');
    await expect(listen(`unix://${file}`)).rejects.toThrow('is not a socket');
  });

  it.each(['tcp://0.0.0.0:0', 'tcp://:0', 'tcp://[::]:0', 'tcp://example.org:0'])(
    'refuses plain TCP on %s',
    async (host) => {
      await expect(listen(host)).rejects.toThrow('GANTRY_ALLOW_PLAIN_TCP=1');
    },
  );

  it('serves plain TCP on loopback', async () => {
    await listen('tcp://127.0.0.1:0');
  });

  it('refuses other schemes', async () => {
    await expect(listen('npipe://x')).rejects.toThrow('neither unix:///path nor tcp://host:port');
  });
});

describe('gateway configuration', () => {
  const load = (env: NodeJS.ProcessEnv) => loadGatewayConfig(loadInstanceConfig({}), env);

  it('listens below the run directory where nothing is said', () => {
    expect(load({})).toMatchObject({ hosts: ['unix:///run/gantry/docker.sock'], socketGroup: 'docker' });
    expect(load({ GANTRY_HOSTS: 'unix:///a, tcp://127.0.0.1:1' }).hosts).toEqual([
      'unix:///a',
      'tcp://127.0.0.1:1',
    ]);
  });

  it('wants certificates that go together', () => {
    expect(() => load({ GANTRY_TLS_CERT: 'c' })).toThrow('GANTRY_TLS_KEY');
    expect(() => load({ GANTRY_TLS_CERT: 'c', GANTRY_TLS_KEY: 'k' })).toThrow('GANTRY_TLS_CACERT');
    expect(load({ GANTRY_TLS_CERT: 'c', GANTRY_TLS_KEY: 'k', GANTRY_TLS_VERIFY: '0' }).tls).toMatchObject({
      verifyClients: false,
    });
  });
});
