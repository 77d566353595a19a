import { get } from 'node:http';
import { itHas, outputOf, refusalOf } from '../support/cli-flags';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';
import { eventually } from '../support/eventually';

/** Addresses and names: what `ip`, /etc/hosts, /etc/resolv.conf and the ports of the host say. */
describe('network flags of docker run', () => {
  const network = freshName('net');
  const server = freshName('server');
  const octet = process.pid % 250;
  const [v4, v6] = [`10.231.${octet}`, `fd00:f1a9:${octet.toString(16)}`];
  const names = [server];

  beforeAll(async () => {
    const made = await docker([
      'network',
      'create',
      '--ipv6',
      '--subnet',
      `${v4}.0/24`,
      '--subnet',
      `${v6}::/64`,
      network,
    ]);
    expect(made.stderr).toBe('');
    await docker([
      'run',
      '-d',
      '--name',
      server,
      '-e',
      'COLOUR=blue',
      '--expose',
      '8080',
      'busybox',
      'httpd',
      '-f',
      '-p',
      '8080',
      '-h',
      '/data',
    ]);
  });
  afterAll(async () => {
    await docker(['rm', '-fv', ...names]);
    await docker(['network', 'rm', network]);
  });

  itHas(
    ['--network', '--ip', '--ip6', '--link-local-ip', '--mac-address', '--network-alias'],
    'what was asked for',
    async () => {
      const seen = await outputOf(
        [
          ...[
            '--network',
            network,
            '--ip',
            `${v4}.77`,
            '--ip6',
            `${v6}::77`,
            '--link-local-ip',
            '169.254.8.9',
          ],
          ...['--mac-address', '02:42:aa:bb:cc:dd', '--network-alias', 'also'],
        ],
        'ip addr show eth0; nslookup -type=a also 127.0.0.11 | tail -2',
      );
      for (const part of [
        `inet ${v4}.77/24`,
        `inet6 ${v6}::77/64`,
        '169.254.8.9/16',
        '02:42:aa:bb:cc:dd',
        `Address: ${v4}.77`,
      ]) {
        expect(seen).toContain(part);
      }
    },
  );

  itHas(['--add-host'], 'in /etc/hosts, the gateway by name', async () => {
    const hosts = await outputOf(
      ['--add-host', 'a.example:192.0.2.9', '--add-host', 'up:host-gateway'],
      'cat /etc/hosts; ip route | head -1',
    );
    expect(hosts).toMatch(/^192\.0\.2\.9\ta\.example$/m);
    const gateway = /^default via (\S+)/m.exec(hosts)?.[1] ?? 'none';
    expect(hosts).toContain(`${gateway}\tup\n`);
    const onHost = await outputOf(['--network', 'host', '--add-host', 'up:host-gateway'], 'cat /etc/hosts');
    expect(onHost).toContain(`${gateway}\tup\n`);
  });

  itHas(['--dns', '--dns-search', '--dns-option'], 'in /etc/resolv.conf', async () => {
    const lines = await outputOf(
      ['--dns', '192.0.2.53', '--dns-search', 'example.org', '--dns-option', 'ndots:3'],
      'sort /etc/resolv.conf',
    );
    expect(lines).toMatch(/^nameserver 192\.0\.2\.53$/m);
    expect(lines).toMatch(/^search example\.org$/m);
    expect(lines).toMatch(/^options .*ndots:3/m);
  });

  itHas(['--link'], 'name, address and variables of the other', async () => {
    const seen = await outputOf(
      ['--link', `${server}:web`],
      'grep web /etc/hosts; env | grep WEB_; wget -qO- http://web:8080/seed',
    );
    expect(seen).toMatch(/\tweb /);
    expect(seen).toContain('WEB_PORT_8080_TCP_PORT=8080');
    expect(seen).toContain('WEB_ENV_COLOUR=blue');
    expect(seen).toContain('image-content');
    expect(await refusalOf(['--link', 'nonesuch:x'])).toContain('could not get container for nonesuch');
  });

  itHas(['--publish', '--publish-all', '--expose'], 'ports of the host', async () => {
    const [one, all] = [freshName('published'), freshName('published')];
    names.push(one, all);
    const command = ['busybox', 'httpd', '-f', '-p', '8080', '-h', '/data'];
    await docker(['run', '-d', '--name', one, '-p', '127.0.0.1::8080', ...command]);
    await docker(['run', '-d', '--name', all, '--expose', '8080', '-P', ...command]);
    for (const name of [one, all]) {
      const port = /:(\d+)$/m.exec((await docker(['port', name, '8080/tcp'])).stdout)?.[1] ?? '';
      await eventually(async () =>
        expect(await page(`http://127.0.0.1:${port}/seed`)).toBe('image-content\n'),
      );
    }
    const discarded = await docker(['run', '--rm', '--network', 'host', '-p', '80:80', 'busybox', 'true']);
    expect(discarded.stderr).toContain('Published ports are discarded when using host network mode');
  });

  function page(url: string): Promise<string> {
    return new Promise((resolve, reject) => {
      get(url, { agent: false }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.once('end', () => resolve(text));
      }).once('error', reject);
    });
  }
});
