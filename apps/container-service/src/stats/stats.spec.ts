import type { CgroupStats } from '@gantry/shared/linux';
import { parseProcesses, psArguments } from './process-table';
import { parseHostCpu, parseInterfaces, statsDocument, type Sample } from './stats-document';

const cgroup: CgroupStats = {
  cpu: {
    usage: 500,
    user: 300,
    system: 200,
    perCpu: [250, 250],
    periods: 3,
    throttledPeriods: 2,
    throttledTime: 1,
  },
  memory: { usage: 1000, maxUsage: 2000, failures: 0, stat: { total_inactive_file: 100 } },
  pids: { current: 2, limit: 100 },
  blkio: { ioServiceBytes: [{ major: 8, minor: 0, op: 'Read', value: 9 }], ioServiced: [] },
};
const sample = (time: string): Sample => ({ time, cgroup, host: { total: 7000, online: 2 }, networks: {} });
const container = { id: 'abc', name: 'x' };

it('adds up what all processors did', () => {
  const text =
    'cpu  10 1 5 100 2 0 3 50 0 0\ncpu0 5 0 2 50 1 0 1 25 0 0\ncpu1 5 1 3 50 1 0 2 25 0 0\nintr 1\n';
  expect(parseHostCpu(text)).toEqual({ total: 121 * 10_000_000, online: 2 });
});

it('reads interface counters and leaves the loopback out', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0
`;
  expect(parseInterfaces(text)).toEqual({
    eth0: {
      rx_bytes: 1000,
      rx_packets: 10,
      rx_errors: 1,
      rx_dropped: 2,
      tx_bytes: 2000,
      tx_packets: 20,
      tx_errors: 3,
      tx_dropped: 4,
    },
  });
});

describe('the document', () => {
  it('has this second and the one before', () => {
    expect(
      statsDocument(container, { v2: false, memoryTotal: 8000 }, sample('t2'), sample('t1')),
    ).toMatchObject({
      name: '/x',
      id: 'abc',
      read: 't2',
      preread: 't1',
      cpu_stats: {
        cpu_usage: { total_usage: 500, usage_in_usermode: 300 },
        system_cpu_usage: 7000,
        online_cpus: 2,
      },
      precpu_stats: {
        system_cpu_usage: 7000,
        throttling_data: { periods: 3, throttled_periods: 2, throttled_time: 1 },
      },
      memory_stats: { usage: 1000, max_usage: 2000, limit: 8000, stats: { total_inactive_file: 100 } },
      pids_stats: { current: 2, limit: 100 },
      blkio_stats: { io_service_bytes_recursive: [{ op: 'Read', value: 9 }] },
      networks: {},
    });
  });

  it('on v2 leaves out what v2 does not count', () => {
    const { memory_stats: memory } = statsDocument(
      container,
      { v2: true, memoryTotal: 8000 },
      sample('t'),
    ) as {
      memory_stats: object;
    };
    expect(memory).not.toHaveProperty('max_usage');
  });

  it('of a container that does not run is empty', () => {
    expect(statsDocument(container, { v2: false, memoryTotal: 8000 })).toMatchObject({
      name: '/x',
      read: '0001-01-01T00:00:00Z',
      cpu_stats: { cpu_usage: { total_usage: 0 } },
      memory_stats: {},
    });
  });
});

describe('top', () => {
  const output =
    'UID   PID  PPID CMD\nroot  10    1   sleep 77\nroot  11    1   other\nroot  12   10   sh -c  a b\n';

  it('shows the processes of the container only', () => {
    expect(parseProcesses(output, new Set([10, 12]))).toEqual({
      Titles: ['UID', 'PID', 'PPID', 'CMD'],
      Processes: [
        ['root', '10', '1', 'sleep 77'],
        ['root', '12', '10', 'sh -c a b'],
      ],
    });
    expect(() => parseProcesses('USER CMD\n', new Set())).toThrow("Couldn't find PID field in ps output");
  });

  it('takes arguments that leave the PID column its name', () => {
    expect(psArguments('')).toEqual(['-ef']);
    expect(psArguments('-o pid,comm')).toEqual(['-o', 'pid,comm']);
    expect(() => psArguments('-o uid=PID')).toThrow('is not allowed');
  });
});
