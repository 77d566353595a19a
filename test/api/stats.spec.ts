import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { api, docker, instance } from '../support/engine';
import { createContainer, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

interface Stats {
  read: string;
  preread: string;
  pids_stats: { current?: number; limit?: number };
  cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number; online_cpus?: number };
  precpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number };
  memory_stats: { usage?: number; limit?: number; stats?: Record<string, number> };
  blkio_stats: { io_service_bytes_recursive: { op: string; value: number }[] | null };
  networks?: Record<string, { rx_bytes: number; tx_packets: number }>;
}

const MIB = 2 ** 20;

/** GET /containers/{id}/stats against what the kernel says inside of the container. */
describe('stats', () => {
  const made: string[] = [];
  const kept = async (id: Promise<string>): Promise<string> => {
    made.push(await id);
    return id;
  };
  afterAll(async () => {
    for (const id of made) await removeContainer(id);
  });
  const once = async (id: string, more = '') =>
    (await api.get<Stats>(`/containers/${id}/stats?stream=0${more}`)).body;
  const inside = async (id: string, script: string) =>
    (await docker(['exec', id, 'sh', '-c', script])).stdout.trim();

  it('are those of the container', async () => {
    const busy =
      'dd if=/dev/zero of=/data/f bs=1M count=24; sync; while [ ! -e /stop ]; do :; done; sleep 300';
    const host = { Memory: 256 * MIB, PidsLimit: 50 };
    const id = await kept(startContainer({ cmd: ['sh', '-c', busy], host }));
    await eventually(async () => expect(await inside(id, 'stat -c %s /data/f')).toBe(String(24 * MIB)));
    const address = await inside(id, "ip route | awk '/default/ { print $3 }'");
    await inside(id, `ping -c 3 -i 0.1 ${address}`);
    const stats = await once(id);
    await inside(id, 'touch /stop');
    // An exec that has just ended may still be counted.
    expect([1, 2]).toContain(stats.pids_stats.current);
    expect(stats.pids_stats.limit).toBe(50);
    const { usage = 0, limit, stats: details = {} } = stats.memory_stats;
    expect(limit).toBe(256 * MIB);
    // Most of the file: a host that is short of memory, or tidies it ahead (DAMON), has taken pages of it back.
    expect(usage).toBeGreaterThan(16 * MIB);
    // What the CLI shows: without the file that lies in the cache, which is on the list that was last used, too.
    const cached = details['total_cache'] ?? details['file'] ?? 0;
    expect(cached).toBeGreaterThan(16 * MIB);
    expect(usage - cached).toBeLessThan(16 * MIB);
    const now = stats.cpu_stats.cpu_usage.total_usage;
    const before = stats.precpu_stats.cpu_usage.total_usage;
    expect(before).toBeGreaterThan(0);
    expect(now).toBeGreaterThan(before);
    expect(stats.cpu_stats.system_cpu_usage).toBeGreaterThan(stats.precpu_stats.system_cpu_usage ?? Infinity);
    expect(Date.parse(stats.read) - Date.parse(stats.preread)).toBeGreaterThan(500);
    const { eth0 } = stats.networks ?? {};
    const counters = (await inside(id, 'cat /proc/net/dev')).match(/eth0: *(\d+)/);
    expect(eth0?.rx_bytes).toBeGreaterThan(0);
    expect(eth0?.rx_bytes).toBeLessThanOrEqual(Number(counters?.[1]));
    expect(eth0?.tx_packets).toBeGreaterThanOrEqual(3);
  });

  it('come at once where one sample is enough, empty of what does not run', async () => {
    const id = await kept(createContainer({ host: { NetworkMode: 'none' } }));
    expect(await once(id)).toMatchObject({ read: '0001-01-01T00:00:00Z', pids_stats: {}, memory_stats: {} });
    await api.post(`/containers/${id}/start`);
    const sample = await once(id, '&one-shot=1');
    expect(sample).toMatchObject({ preread: '0001-01-01T00:00:00Z', pids_stats: { current: 1 } });
    expect(sample.precpu_stats.cpu_usage.total_usage).toBe(0);
    const both = await api.get<{ message: string }>(`/containers/${id}/stats?stream=1&one-shot=1`);
    expect([both.status, both.body.message]).toEqual([400, 'cannot have stream=true and one-shot=true']);
    expect((await api.get('/containers/none/stats?stream=0')).status).toBe(404);
  });

  it('stream while there is a container, through its ends and starts', async () => {
    const id = await kept(startContainer({ host: { NetworkMode: 'none' } }));
    const reads: string[] = [];
    const ended = new Promise<void>((resolve, reject) => {
      const path = `/containers/${id}/stats`;
      request({ socketPath: instance.socket, path }, (incoming) => {
        createInterface(incoming).on('line', (line) => reads.push((JSON.parse(line) as Stats).read));
        incoming.once('end', resolve).once('error', reject);
      })
        .once('error', reject)
        .end();
    });
    const shows = (running: boolean) =>
      eventually(() => expect(reads.at(-1)?.startsWith('0001') === false).toBe(running));
    await shows(true);
    await api.post(`/containers/${id}/kill`);
    await eventually(() => expect(reads.at(-1)).toBe('0001-01-01T00:00:00Z'));
    await api.post(`/containers/${id}/start`);
    await shows(true);
    await api.delete(`/containers/${id}?force=1`);
    await ended;
  });
});
