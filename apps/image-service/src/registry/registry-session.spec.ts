import { Readable } from 'node:stream';
import { unreachable } from '@gantry/shared/errors';
import type { Authorizer } from './authorizer';
import { RegistrySession } from './registry-session';
import type { HttpRequest, Transport } from './transport';

it('stays with the address that answered, whatever was asked at the same time', async () => {
  const asked: string[] = [];
  const transport = {
    insecure: { has: async () => true },
    send: async ({ url }: HttpRequest) => {
      asked.push(url.origin);
      if (url.protocol === 'https:') throw unreachable('not here');
      return { status: 200, headers: {}, body: Readable.from([]) };
    },
  } as unknown as Transport;
  const authorizer = { header: async () => undefined } as unknown as Authorizer;
  const session = new RegistrySession(
    'hub.lan:5000',
    undefined,
    transport,
    authorizer,
    { mirrors: [] },
    false,
  );
  const ask = () => session.ask({ method: 'GET', path: '/v2/' }, [200]);
  await Promise.all([ask(), ask(), ask()]);
  asked.length = 0;
  expect((await ask()).status).toBe(200);
  expect(asked).toEqual(['http://hub.lan:5000']);
});
