import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import { decode, encode, type Packet } from 'dns-packet';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';
import { outputOf } from '../support/cli-flags';
import { eventually } from '../support/eventually';
import { describeInMachine } from '../support/kernel-machine';

/** The machine's own address on its card. */
const UPSTREAM = '192.0.2.10';
const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });

/* As Ubuntu and Fedora are: resolv.conf names the stub of systemd-resolved alone, which no container can reach. */
describeInMachine('a host with systemd-resolved', () => {
  let server: Socket;
  jest.setTimeout(120_000);

  beforeAll(async () => {
    server = createSocket('udp4');
    server.on('message', (message, { port, address }) => {
      const question = decode(message) as Packet;
      const name = question.questions?.[0]?.name ?? '';
      const answers =
        question.questions?.[0]?.type === 'A'
          ? [{ type: 'A' as const, name, ttl: 1, data: '203.0.113.7' }]
          : [];
      const answer = { type: 'response' as const, id: question.id, questions: question.questions, answers };
      server.send(encode(answer), port, address);
    });
    await new Promise<void>((resolve) => server.bind(53, UPSTREAM, resolve));
    mkdirSync('/etc/systemd/resolved.conf.d', { recursive: true });
    writeFileSync(
      '/etc/systemd/resolved.conf.d/specs.conf',
      `[Resolve]\nDNS=${UPSTREAM}\nDomains=inside.test\nDNSSEC=no\n`,
    );
    sh('systemctl start systemd-resolved; cp /etc/resolv.conf /etc/resolv.conf.before');
    sh('ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf');
    await eventually(() => expect(sh('cat /run/systemd/resolve/resolv.conf')).toContain(UPSTREAM));
  });
  afterAll(() => {
    sh('systemctl stop systemd-resolved; rm /etc/resolv.conf; mv /etc/resolv.conf.before /etc/resolv.conf');
    server.close();
  });

  it('on the default bridge a container asks whom the stub asks', async () => {
    const seen = await outputOf([], 'cat /etc/resolv.conf; nslookup -type=a some.example');
    expect(seen).toContain(`nameserver ${UPSTREAM}\nsearch inside.test\n`);
    expect(seen).not.toContain('127.0.0.53');
    expect(seen).toContain('203.0.113.7');
  });

  it('on a network of the user’s the resolver asks for it', async () => {
    const network = freshName('net');
    await docker(['network', 'create', network]);
    try {
      const seen = await outputOf(
        ['--network', network],
        'cat /etc/resolv.conf; nslookup -type=a some.example',
      );
      expect(seen).toContain('nameserver 127.0.0.11\nsearch inside.test\n');
      expect(seen).toContain('203.0.113.7');
    } finally {
      await docker(['network', 'rm', network]);
    }
  });

  it('in the host’s network it has the host’s file', async () => {
    expect(await outputOf(['--network', 'host'], 'cat /etc/resolv.conf')).toContain('nameserver 127.0.0.53');
  });
});
