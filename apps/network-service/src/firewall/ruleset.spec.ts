import type { NetworkRecord } from '../records/network-record';
import type { PublishedPort } from '../records/sandbox-record';
import { renderNetwork, renderNetworkRemoval, renderPorts, renderTable } from './ruleset';

const network = (more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: 'ab'.repeat(32),
  name: 'n',
  driver: 'bridge',
  created: '',
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  ownSubnet: false,
  ipam: {
    driver: 'default',
    options: {},
    config: [{ subnet: '10.5.0.0/24', gateway: '10.5.0.1', auxiliaryAddresses: {} }],
  },
  link: 'br-n',
  ...more,
});
const port = (more: Partial<PublishedPort> = {}): PublishedPort => ({
  protocol: 'tcp',
  containerPort: 80,
  hostIp: '0.0.0.0',
  hostPort: 8080,
  address: '10.5.0.2',
  ...more,
});

it('publishes and unpublishes all ports of a sandbox in one command a map', () => {
  const ports = [port(), port({ hostPort: 8081 }), port({ hostIp: '127.0.0.1', protocol: 'udp' })];
  expect(renderPorts('t', 'add', ports)).toBe(
    [
      'add element inet t published { udp . 127.0.0.1 . 8080 : 10.5.0.2 . 80 }',
      'add element inet t published_any { tcp . 8080 : 10.5.0.2 . 80, tcp . 8081 : 10.5.0.2 . 80 }',
    ].join('\n'),
  );
  expect(renderPorts('t', 'delete', [port()])).toBe('delete element inet t published_any { tcp . 8080 }');
  expect(renderPorts('t', 'add', [])).toBe('');
});

it('lets a network out with its address hidden, and only published ports in', () => {
  const lines = renderNetwork('t', network()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'add rule inet t to_abababababab iifname "br-n" accept',
      'add rule inet t to_abababababab ct status dnat accept',
      'add rule inet t to_abababababab drop',
      'add rule inet t nat_abababababab oifname != "br-n" masquerade',
      'add element inet t nat { 10.5.0.0/24 : jump nat_abababababab }',
    ]),
  );
  expect(lines).not.toContain('add rule inet t from_abababababab drop');
});

it('lets nothing out of an internal network', () => {
  const text = renderNetwork('t', network({ internal: true }));
  expect(text).toContain('add rule inet t from_abababababab drop');
  expect(text).not.toContain('dnat accept');
  expect(text).not.toContain('!= "br-n" masquerade');
});

it('honours enable_icc and enable_ip_masquerade', () => {
  const options = {
    'com.docker.network.bridge.enable_icc': 'false',
    'com.docker.network.bridge.enable_ip_masquerade': 'false',
  };
  const text = renderNetwork('t', network({ options }));
  expect(text).not.toContain('iifname "br-n" accept');
  expect(text).not.toContain('!= "br-n" masquerade');
});

it('removes what it added', () => {
  const removal = renderNetworkRemoval('t', network());
  for (const line of renderNetwork('t', network()).split('\n')) {
    const [, what, , , name] = line.split(' ');
    if (what === 'element' || what === 'chain') expect(removal).toContain(`delete ${what} inet t ${name}`);
  }
  expect(renderNetwork('t', network({ driver: 'host' }))).toBe('');
  expect(renderNetworkRemoval('t', network({ driver: 'host' }))).toBe('');
});

it('replaces the whole table in one program', () => {
  const lines = renderTable('t', [network()], [port()]).split('\n');
  expect(lines.slice(0, 3)).toEqual(['add table inet t', 'delete table inet t', 'add table inet t']);
  expect(lines.at(-1)).toBe('add element inet t published_any { tcp . 8080 : 10.5.0.2 . 80 }');
});
