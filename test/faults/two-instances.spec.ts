import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import { busyboxRootfs } from '../support/busybox-image';
import { dockerOn } from '../support/docker-cli';
import { api, docker } from '../support/engine';
import { EngineClient } from '../support/engine-client';
import { freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { remainsOf } from '../support/remains';
import { TestInstance } from '../support/test-instance';

describe('a second instance on the same host, on TCP with TLS', () => {
  jest.setTimeout(120_000);
  const certificates = mkdtempSync(join(tmpdir(), 'gantry-certs-'));
  const file = (name: string) => join(certificates, name);
  let other: TestInstance;
  let port: number;

  beforeAll(async () => {
    makeCertificates();
    port = await freePort();
    other = await TestInstance.start(freshInstanceName(), {
      hosts: [`tcp://127.0.0.1:${port}`],
      env: {
        GANTRY_TLS_CACERT: file('ca.pem'),
        GANTRY_TLS_CERT: file('server.pem'),
        GANTRY_TLS_KEY: file('server-key.pem'),
      },
    });
    await new EngineClient(other.socket).post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
  });
  afterAll(async () => {
    if (other) await other.clean();
    rmSync(certificates, { recursive: true });
  });

  it('a client certificate opens it, none does not', async () => {
    const remote = dockerOn(`tcp://127.0.0.1:${port}`);
    const tls = ['--tlsverify', '--tlscacert', file('ca.pem')];
    const withCertificate = [...tls, '--tlscert', file('client.pem'), '--tlskey', file('client-key.pem')];
    expect(
      await remote([...withCertificate, 'run', '--rm', '-i', 'busybox', 'cat'], { input: 'over tls' }),
    ).toMatchObject({
      code: 0,
      stdout: 'over tls',
    });
    const refused = await remote([...tls, 'version']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/certificate required|bad certificate/);
  });

  it('has the same names and ports to itself, and ends without touching the other', async () => {
    const name = freshName('twin');
    const wanted = {
      name,
      cmd: ['sh', '-c', 'echo alive >/tmp/index.html; exec httpd -f -p 80 -h /tmp'],
      host: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1' }] } },
    };
    const here = await startContainer(wanted);
    const there = await startContainer(wanted, new EngineClient(other.socket));
    expect((await dockerOn(other.dockerHost)(['ps', '-q', '--no-trunc'])).stdout.trim()).toBe(there);
    expect((await docker(['ps', '-q', '--no-trunc', '--filter', `name=${name}`])).stdout.trim()).toBe(here);

    // What is frozen takes no SIGKILL before it is thawed.
    expect((await new EngineClient(other.socket).post(`/containers/${there}/pause`)).status).toBe(204);
    const directory = dirname(other.dataRoot);
    await other.clean();
    expect(remainsOf(other.name, directory)).toEqual([]);

    expect((await inspect(here)).State.Running).toBe(true);
    const fetched = await docker(['exec', name, 'wget', '-qO-', 'http://127.0.0.1/']);
    expect(fetched).toEqual({ code: 0, stdout: 'alive\n', stderr: '' });
    await removeContainer(here);
    expect((await api.get('/_ping')).status).toBe(200);
  });

  function makeCertificates(): void {
    const openssl = (...args: string[]) =>
      execFileSync('openssl', args, { stdio: 'ignore', cwd: certificates });
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca-key.pem',
      '-out',
      'ca.pem',
      '-days',
      '1',
      '-subj',
      '/CN=ca',
    );
    for (const [role, extension] of [
      ['server', 'subjectAltName=IP:127.0.0.1'],
      ['client', 'extendedKeyUsage=clientAuth'],
    ] as const) {
      openssl(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        `${role}-key.pem`,
        '-out',
        `${role}.csr`,
        '-subj',
        `/CN=${role}`,
        '-addext',
        extension,
      );
      openssl(
        'x509',
        '-req',
        '-in',
        `${role}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca-key.pem',
        '-CAcreateserial',
        '-out',
        `${role}.pem`,
        '-days',
        '1',
        '-copy_extensions',
        'copy',
      );
    }
  }

  async function freePort(): Promise<number> {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address() as { port: number };
    listener.close();
    return address.port;
  }

  const freshInstanceName = () => `gu${Math.random().toString(36).slice(2, 8)}`;
});
