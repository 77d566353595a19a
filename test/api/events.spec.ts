import { request } from 'node:http';
import { once } from 'node:events';
import { api, docker, instance } from '../support/engine';
import { busyboxRootfs } from '../support/busybox-image';
import { freshName, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';

interface Seen {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
}

const lines = (text: string): Seen[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Seen);

describe('events', () => {
  it('of every kind of object are kept and read back', async () => {
    const since = Math.floor(Date.now() / 1000);
    const name = freshName('seen');
    await api.post('/volumes/create', { Name: name });
    await api.delete(`/volumes/${name}`);
    const network = await api.post<{ Id: string }>('/networks/create', { Name: name });
    expect(network.status).toBe(201);
    await api.delete(`/networks/${name}`);
    // Of a label that nobody has: other specs keep their networks.
    const nobodys = encodeURIComponent(JSON.stringify({ label: [`nobodys=${name}`] }));
    await api.post(`/networks/prune?filters=${nobodys}`);
    await api.post(`/images/create?fromSrc=-&repo=${name}`, await busyboxRootfs());
    await api.delete(`/images/${name}`);
    const wanted = [
      'volume create',
      'volume destroy',
      'network create',
      'network destroy',
      'network prune',
      'image import',
      'image untag',
    ];
    await eventually(async () => {
      const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}`);
      const seen = lines(text);
      expect(seen.map(({ Type, Action }) => `${Type} ${Action}`)).toEqual(expect.arrayContaining(wanted));
    });
    const filters = encodeURIComponent(JSON.stringify({ type: ['volume'], volume: [name] }));
    const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}&filters=${filters}`);
    expect(lines(text).map(({ Action, Actor }) => [Action, Actor.Attributes['driver']])).toEqual([
      ['create', 'local'],
      ['destroy', 'local'],
    ]);
  });

  it('have the words of dockerd', async () => {
    const since = Date.now() / 1000;
    const id = await startContainer({ cmd: ['sleep', '60'] });
    const name = freshName('words');
    const exec = await api.post<{ Id: string }>(`/containers/${id}/exec`, { Cmd: ['true'] });
    await api.post(`/exec/${exec.body.Id}/start`, { Detach: true });
    await api.post(`/commit?container=${id}&repo=docker.io/library/${name}&pause=0`);
    await removeContainer(id);
    await api.post('/networks/prune?filters=%7B%22label%22%3A%5B%22nonesuch%22%5D%7D');
    await api.delete(`/images/${name}`);
    await eventually(async () => {
      const { text } = await api.get(`/events?since=${since}&until=${Date.now() / 1000}`);
      const seen = lines(text);
      const actions = seen.filter(({ Actor }) => Actor.ID === id).map(({ Action }) => Action);
      expect(actions).toEqual(expect.arrayContaining(['exec_create: true ', 'exec_start: true ']));
      const committed = seen.find(({ Action, Actor }) => Action === 'commit' && Actor.ID === id);
      expect(committed?.Actor.Attributes['imageRef']).toBe(`${name}:latest`);
      const pruned = seen.find(({ Type, Action }) => Type === 'network' && Action === 'prune');
      expect(pruned?.Actor.Attributes).toEqual({ reclaimed: '0' });
    });
  });

  it('arrive while they happen', async () => {
    const outgoing = request({
      socketPath: instance.socket,
      path: '/events?filters=%7B%22type%22%3A%5B%22volume%22%5D%7D',
    });
    outgoing.end();
    const [incoming] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
    let text = '';
    incoming.on('data', (part: Buffer) => (text += part.toString()));
    incoming.on('error', () => {});
    const name = freshName('live');
    await docker(['volume', 'create', name]);
    await eventually(() => expect(lines(text).map(({ Actor }) => Actor.ID)).toContain(name));
    const { body } = await api.get<{ NEventsListener: number }>('/info');
    expect(body.NEventsListener).toBeGreaterThan(0);
    outgoing.destroy();
    await docker(['volume', 'rm', name]);
  });

  it('wait for `until`', async () => {
    const began = Date.now();
    await api.get(`/events?until=${began / 1000 + 0.5}`);
    expect(Date.now() - began).toBeGreaterThanOrEqual(450);
  });
});
