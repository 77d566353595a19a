import { writeFileSync } from 'node:fs';
import { api, killService } from '../support/engine';
import { inspect, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

/** Starts a process that takes more memory than there is, whenever somebody makes /more. */
const GREEDY =
  'trap "exit 3" TERM; while :; do if [ -e /more ]; then rm /more; tail /dev/zero; fi; sleep 0.1; done';

describe('a container with too little memory', () => {
  let id: string;
  let since: number;
  beforeEach(async () => {
    since = Date.now() / 1000;
    id = await startContainer({
      cmd: ['sh', '-c', GREEDY],
      host: { Memory: 24 << 20, MemorySwap: 24 << 20 },
    });
  });
  afterEach(() => removeContainer(id));

  const trigger = async (): Promise<string> => `/proc/${(await inspect(id)).State.Pid}/root/more`;
  const takeTooMuch = async (): Promise<void> => writeFileSync(await trigger(), '');
  /** Of the kernel, v1 at least, one kill may have more than one notice. */
  const expectEvents = (pattern: RegExp): Promise<void> =>
    eventually(async () => {
      const filters = encodeURIComponent(JSON.stringify({ container: [id], event: ['start', 'oom', 'die'] }));
      const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}&filters=${filters}`);
      expect(text.match(/(?<="Action":")\w+/g)?.join(' ')).toMatch(pattern);
    });

  it('says so while it goes on, each time', async () => {
    expect((await inspect(id)).State.OOMKilled).toBe(false);
    await takeTooMuch();
    await expectEvents(/^start( oom)+$/);
    since = Date.now() / 1000;
    await takeTooMuch();
    await expectEvents(/^oom( oom)*$/);
    expect((await inspect(id)).State).toMatchObject({ Running: true, OOMKilled: true });
    await api.post(`/containers/${id}/stop`);
    await expectEvents(/^oom( oom)* die$/);
    expect((await inspect(id)).State).toMatchObject({ OOMKilled: true, ExitCode: 3 });
    await api.post(`/containers/${id}/start`);
    expect((await inspect(id)).State).toMatchObject({ Running: true, OOMKilled: false });
  });

  it('says later what happened while container-service was away', async () => {
    const more = await trigger();
    const killed = killService('container');
    writeFileSync(more, '');
    await killed;
    await expectEvents(/^start( oom)+$/);
    expect((await inspect(id)).State).toMatchObject({ Running: true, OOMKilled: true });
    since = Date.now() / 1000;
    await takeTooMuch();
    await expectEvents(/^oom( oom)*$/);
  });
});
