import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../workspace/root.mjs';

// Small young generation and one malloc arena: the services hold little and allocate in short bursts.
// Prisma's query compiler is WebAssembly: optimizing it costs 20 MB a process, and no query gets measurably faster.
// An engine answers now and then: as V8 counts, thousands of requests would be interpreted before it optimizes what they run.
const V8_MAJOR = Number.parseInt(process.versions.v8, 10);
const optimizeSoon = (budget, invocations) =>
  V8_MAJOR < 12 ? `--interrupt-budget=${budget}` : `--invocation-count-for-turbofan=${invocations}`;
const NODE_FLAGS = ['--max-semi-space-size=1', '--liftoff-only', optimizeSoon(10_000, 500)];
const MEMORY_SAVING = { MALLOC_ARENA_MAX: '2' };
// Image-service moves archives through memory: its garbage is not let grow to twice of what lives, and what a socket has
// read into goes back to the kernel at once instead of leaving holes. A load peaks at 180 MB with it, at 260 MB without.
const BULK = {
  flags: ['--heap-growing-percent=100', '--single-threaded-gc'],
  env: { MALLOC_MMAP_THRESHOLD_: '65536' },
};
// Bytes that pass through make garbage all the time: helper threads of the collector cost the gateway twice the processor
// time for the same upload.
const STREAM = { flags: ['--single-threaded-gc', optimizeSoon(3_000, 150)], env: {} };
// It does little, and nothing else at that time: where it is interpreted, that is most of what a client waits for. The others
// would compile while a container starts.
const BRIEF = { flags: [optimizeSoon(3_000, 150)], env: {} };
const PLAIN = { flags: [], env: {} };
const KINDS = { 'image-service': BULK, 'api-gateway': STREAM, 'volume-service': BRIEF };

const STDIO = ['ignore', 'pipe', 'pipe', 'ipc'];

/** GANTRY_LISTEN_FDS says which descriptor is the socket of which host. */
function listenEnvironment(sockets) {
  if (!sockets) return {};
  const named = sockets.hosts.map((host, index) => `${host}=${STDIO.length + index}`);
  return { GANTRY_HOSTS: sockets.hosts.join(','), GANTRY_LISTEN_FDS: named.join(',') };
}

/** @param {string} service e.g. `image-service` */
export const entryOf = (service) => join(root, 'apps', service, 'dist', 'main.js');

/**
 * @param {string} service
 * @param {() => NodeJS.ProcessEnv} env of the next start: what `serviceEnvironment` returns, with changes for a second one
 * @param {{as?: string, entry?: string, sockets?: import('./api-sockets.mjs').ApiSockets}} [options] `as`: the name of a second
 *   process of the same service; `sockets`: those on which it serves the API
 * @returns {import('./supervisor.mjs').Definition}
 */
export function serviceDefinition(service, env, { as = service, entry = entryOf(service), sockets } = {}) {
  const { flags, env: more } = KINDS[service] ?? PLAIN;
  return {
    name: as.replace(/-service/, '').replace(/^api-/, ''),
    stopSignal: 'SIGTERM',
    start: () =>
      spawn(process.execPath, [...NODE_FLAGS, ...flags, entry], {
        env: { ...MEMORY_SAVING, ...more, ...env(), ...listenEnvironment(sockets) },
        // Its own session: Ctrl-C in the terminal reaches the supervisor alone, which stops the services in order.
        detached: true,
        stdio: [...STDIO, ...(sockets?.fds ?? [])],
      }),
  };
}
