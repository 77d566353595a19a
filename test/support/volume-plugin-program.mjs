// A volume plugin as third parties write them: a program of its own that keeps volumes as directories below `--data` and
// talks Docker's plugin protocol on a socket. It knows nothing of the engine.
//
//   node volume-plugin-program.mjs --listen /run/docker/plugins/x.sock|127.0.0.1:port --data /dir [--scope global] [--old]
//
// Each call is a line of <data>/calls. What <data>/behave.json has for a method happens instead of the right answer:
// "hang" (no answer ever), "die" (the process is gone), "garbage", "wrong" (a good form with untrue content), or {"err": text}.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    listen: { type: 'string' },
    data: { type: 'string' },
    scope: { type: 'string', default: 'local' },
    // Without Capabilities and List, and with the mountpoint only from Path and Mount: the first version of the protocol.
    old: { type: 'boolean', default: false },
  },
});
const { data } = options;
mkdirSync(data, { recursive: true });
const stateFile = join(data, 'state.json');
const readJson = (file, otherwise) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : otherwise);
/** By name: `{opts, users: [id]}`. */
const state = readJson(stateFile, {});
const save = () => writeFileSync(stateFile, JSON.stringify(state));
const directoryOf = (name) => join(data, 'volumes', name);
const mountpointOf = (name) => (state[name].users.length > 0 ? directoryOf(name) : '');

const METHODS = {
  'Plugin.Activate': () => ({ Implements: ['VolumeDriver'] }),
  'VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: options.scope } }),
  'VolumeDriver.Create': ({ Name, Opts }) => {
    mkdirSync(directoryOf(Name), { recursive: true });
    state[Name] ??= { opts: Opts ?? {}, users: [] };
    return {};
  },
  'VolumeDriver.Remove': ({ Name }) => {
    volume(Name);
    rmSync(directoryOf(Name), { recursive: true });
    delete state[Name];
    return {};
  },
  'VolumeDriver.Mount': ({ Name, ID }) => {
    const { users } = volume(Name);
    if (!users.includes(ID)) users.push(ID);
    return { Mountpoint: directoryOf(Name) };
  },
  'VolumeDriver.Unmount': ({ Name, ID }) => {
    const entry = volume(Name);
    if (!entry.users.includes(ID)) throw new Error(`${ID} has not mounted ${Name}`);
    entry.users = entry.users.filter((id) => id !== ID);
    return {};
  },
  'VolumeDriver.Path': ({ Name }) => ({ Mountpoint: (volume(Name), mountpointOf(Name)) }),
  'VolumeDriver.Get': ({ Name }) => ({
    Volume: {
      Name,
      ...(options.old ? {} : { Mountpoint: (volume(Name), mountpointOf(Name)) }),
      Status: { opts: volume(Name).opts },
    },
  }),
  'VolumeDriver.List': () => ({
    Volumes: Object.keys(state).map((Name) => ({ Name, Mountpoint: mountpointOf(Name) })),
  }),
};
const WRONG = {
  'Plugin.Activate': { Implements: ['NetworkDriver'] },
  'VolumeDriver.Mount': { Mountpoint: '/no/such/place' },
  'VolumeDriver.Get': { Volume: { Name: 'another' } },
  'VolumeDriver.List': { Volumes: 'many' },
};

function volume(name) {
  if (!state[name]) throw new Error(`no volume ${name} here`);
  return state[name];
}

async function answer(method, body) {
  const behaviour = readJson(join(data, 'behave.json'), {})[method.split('.')[1]];
  if (behaviour === 'hang') return new Promise(() => {});
  if (behaviour === 'die') process.exit(1);
  if (behaviour === 'garbage') return [200, '<html>it works!</html>'];
  if (behaviour === 'wrong') return [200, JSON.stringify(WRONG[method])];
  if (behaviour?.err) return [500, JSON.stringify({ Err: behaviour.err })];
  const missing = options.old && ['VolumeDriver.Capabilities', 'VolumeDriver.List'].includes(method);
  if (!METHODS[method] || missing) return [404, '404 page not found'];
  try {
    const result = METHODS[method](body);
    save();
    return [200, JSON.stringify({ ...result, Err: '' })];
  } catch (error) {
    return [500, JSON.stringify({ Err: error.message })];
  }
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const method = request.url.slice(1);
  const text = Buffer.concat(parts).toString();
  appendFileSync(join(data, 'calls'), `${method} ${text}\n`);
  const [status, content] = await answer(method, JSON.parse(text || '{}'));
  response.writeHead(status, { 'content-type': 'application/vnd.docker.plugins.v1.2+json' }).end(content);
});
const listening = () => process.stdout.write('listening\n');
if (options.listen.startsWith('/')) {
  rmSync(options.listen, { force: true });
  server.listen(options.listen, listening);
} else {
  const [host, port] = options.listen.split(':');
  server.listen(Number(port), host, () => process.stdout.write(`listening ${server.address().port}\n`));
}
