import { internal } from '@gantry/shared/errors';
import type { ContainerFiles } from '../lifecycle/container-files';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import type { MonitorPaths } from '../runtime/monitor-paths';
import type { ServicePeers } from '../service-peers';
import { containerFilter } from './container-filters';
import { ContainerListing } from './container-listing';
import { humanDuration } from './status-text';

const record = (id: string, more: object): ContainerRecord =>
  ({
    id,
    name: `name-${id}`,
    created: `2026-01-0${id.at(-1)}T00:00:00Z`,
    imageId: 'sha256:1',
    config: { Image: 'busybox', Labels: { l: id } },
    hostConfig: { NetworkMode: 'bridge' },
    networkSettings: {},
    endpoints: { bridge: {} },
    mounts: [{ Name: 'vol', Destination: '/d' }],
    state: { Status: 'exited', ExitCode: 3, Running: false },
    ...more,
  }) as unknown as ContainerRecord;

describe('containerFilter', () => {
  const store = new ContainerStore({ write: async () => {} });
  const [one, two] = [
    record('c1', {}),
    record('c2', {
      imageId: 'sha256:2',
      state: { Status: 'running', ExitCode: 0, Running: true },
      networkSettings: { Ports: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '81/tcp': null } },
    }),
  ];
  store.add(one);
  store.add(two);
  const found = (...terms: [string, string][]) =>
    store
      .all()
      .filter(containerFilter(new Map(terms.map(([k, v]) => [k, [v]])), store, new Set(['sha256:1'])))
      .map((r) => r.id);

  it.each([
    [['status', 'running'], ['c2']],
    [['exited', '3'], ['c1']],
    [['name', 'c1$'], ['c1']],
    [['before', 'c2'], ['c1']],
    [['since', 'c1'], ['c2']],
    [
      ['volume', '/d'],
      ['c1', 'c2'],
    ],
    [
      ['network', 'bridge'],
      ['c1', 'c2'],
    ],
    [['ancestor', 'busybox'], ['c1']],
    [['publish', '8080'], ['c2']],
    [['publish', '80'], []],
    [['expose', '80-81/tcp'], ['c2']],
    [['expose', '8080'], []],
    [['label', 'l=c2'], ['c2']],
    [
      ['health', 'none'],
      ['c1', 'c2'],
    ],
    [['is-task', 'true'], []],
  ] as [[string, string], string[]][])('%j', (term, expected) => {
    expect(found(term)).toEqual(expected);
  });

  it.each([
    ['bogus', 'x', "invalid filter 'bogus'"],
    ['status', 'bogus', "invalid filter 'status=bogus'"],
    ['exited', 'x', "invalid filter 'exited=x'"],
  ])('refuses %s=%s', (name, value, message) => {
    expect(() => found([name, value])).toThrow(message);
  });
});

describe('ContainerListing', () => {
  it('lists containers whatever is wrong with image-service', async () => {
    const store = new ContainerStore({ write: async () => {} });
    store.add(record('c1', { path: 'true', args: [] }));
    const resolve = jest.fn().mockRejectedValue(internal('timeout exceeded when trying to connect'));
    const peers = { images: { resolve } } as unknown as ServicePeers;
    const listing = new ContainerListing(store, peers, {} as ContainerFiles, {} as MonitorPaths);
    const query = { all: true, limit: 0, size: false, filters: undefined };
    await expect(listing.list(query)).resolves.toMatchObject([{ Image: 'busybox' }]);
    expect(resolve).toHaveBeenCalledWith(expect.anything(), { deadlineMs: expect.any(Number) as number });
  });
});

describe('humanDuration', () => {
  it.each([
    [500, 'Less than a second'],
    [59_000, '59 seconds'],
    [60_000, 'About a minute'],
    [7_200_000, '2 hours'],
    [86_400_000 * 20, '2 weeks'],
  ])('%i ms: %s', (milliseconds, text) => {
    expect(humanDuration(milliseconds)).toBe(text);
  });
});
