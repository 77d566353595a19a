import type { SandboxRecord } from '../records/sandbox-record';
import { hostsEntries } from './hosts-entries';
import { directResolvConf, embeddedResolvConf, parseResolvConf } from './resolv-conf';

const none = { servers: [], search: [], options: [] };
const host = parseResolvConf(
  '# comment\nnameserver 127.0.0.53\nnameserver 192.0.2.53 ; x\nnameserver fd00::53\nsearch a.test b.test\noptions timeout:1\n',
);

describe('resolv.conf', () => {
  it('takes from the host what a container can reach', () => {
    expect(directResolvConf(host, none, false)).toBe(
      'nameserver 192.0.2.53\nsearch a.test b.test\noptions timeout:1\n',
    );
  });

  it('falls back to public servers', () => {
    expect(directResolvConf(none, none, false)).toBe('nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
    expect(directResolvConf(parseResolvConf('nameserver 127.0.0.1'), none, false)).toContain(
      'nameserver 8.8.8.8\n',
    );
  });

  it('has the servers with IPv6 addresses too where the container has one', () => {
    expect(directResolvConf(host, none, true)).toContain(
      'nameserver 192.0.2.53\nnameserver fd00::53\nsearch',
    );
    const near = parseResolvConf('nameserver ::1\nnameserver fe80::1%eth0');
    expect(directResolvConf(near, none, true)).toBe(
      'nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n',
    );
  });

  it('prefers what the container was given', () => {
    const own = { servers: ['10.0.0.53'], search: ['c.test'], options: ['ndots:2'] };
    expect(directResolvConf(host, own, false)).toBe('nameserver 10.0.0.53\nsearch c.test\noptions ndots:2\n');
    expect(directResolvConf(host, { ...none, search: ['.'] }, false)).not.toContain('search');
  });

  it('points to the embedded resolver on networks of the user', () => {
    expect(embeddedResolvConf(host, none)).toBe(
      'nameserver 127.0.0.11\nsearch a.test b.test\noptions timeout:1 ndots:0\n',
    );
    expect(embeddedResolvConf(host, { ...none, options: ['ndots:5'] })).toContain('options ndots:5\n');
  });
});

describe('hosts', () => {
  const sandbox = {
    hostname: 'web',
    domainname: 'example.test',
    extraHosts: ['up:host-gateway', 'six:[fd00::1]', 'db:10.1.1.1'],
    links: [{ containerId: 'abcdef0123456789', containerName: 'mysql', alias: 'db' }],
    endpoints: [{ address: '172.17.0.2', ipv6: { address: 'fd00::2' } }],
  } as unknown as SandboxRecord;

  it('names extra hosts, links and the container itself', () => {
    expect(
      hostsEntries(sandbox, ['172.17.0.1', 'fd00:17::1'], () => ({ address: '172.17.0.9', hostname: 'sql' })),
    ).toEqual([
      { ip: '172.17.0.1', names: ['up'] },
      { ip: 'fd00:17::1', names: ['up'] },
      { ip: 'fd00::1', names: ['six'] },
      { ip: '10.1.1.1', names: ['db'] },
      { ip: '172.17.0.9', names: ['db', 'sql', 'mysql'] },
      { ip: '172.17.0.2', names: ['web.example.test', 'web'] },
      { ip: 'fd00::2', names: ['web.example.test', 'web'] },
    ]);
  });

  it('knows a name with dots by its first label too', () => {
    const named = { ...sandbox, hostname: 'web.foo.test', domainname: '', extraHosts: [], links: [] };
    expect(hostsEntries(named, [], () => undefined)[0]?.names).toEqual(['web.foo.test', 'web']);
  });

  it('refuses what is no extra host', () => {
    expect(() => hostsEntries({ ...sandbox, extraHosts: ['nocolon'] }, [], () => undefined)).toThrow(
      'bad format for add-host: "nocolon"',
    );
  });
});
