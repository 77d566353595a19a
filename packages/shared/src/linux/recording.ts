import type { Linux } from './linux';

/** One call that was made: `{ method: 'mounts.bindMount', args: [...] }`. */
export interface RecordedCall {
  method: string;
  args: unknown[];
}

type PortName = keyof Linux;
type MethodOf<P extends PortName> = keyof Linux[P] & string;
/** What a method answers: a value, or a function of its arguments (which may throw). */
type Answer<P extends PortName, M extends MethodOf<P>> = Linux[P][M] extends (...args: infer A) => infer R
  ? R | ((...args: A) => R)
  : never;

/**
 * A {@link Linux} for unit tests: does nothing, remembers every call in order and answers as it was told. Without an
 * answer, listing methods give an empty list, asynchronous ones a resolved promise, and the rest undefined.
 *
 * ```ts
 * const linux = new RecordingLinux();
 * linux.answer('processes', 'spawn', 4711);
 * linux.answer('mounts', 'umount', () => { throw new SystemError(16, 'umount'); });
 * expect(linux.callsOf('mounts', 'overlay')).toEqual([[{ lower: ['/l'], target: '/m' }]]);
 * ```
 */
export class RecordingLinux implements Linux {
  readonly calls: RecordedCall[] = [];
  private readonly answers = new Map<string, unknown>();

  readonly mounts = this.port('mounts', {
    listMounts: [],
    isMountPoint: false,
    canSetBelow: true,
    restrictionsAt: [],
  });
  readonly namespaces = this.port('namespaces', {
    openNetworkNamespace: 0,
    withinNetworkNamespace: (_namespace: unknown, action: () => unknown) => action(),
  });
  readonly userNamespaces = this.port('userNamespaces', { create: 0 });
  readonly credentials = this.port('credentials', {
    as: (_owner: unknown, action: () => unknown) => action(),
  });
  readonly netlink = this.port('netlink', { open: () => this.netlinkSocket });
  readonly nftables = this.port('nftables', {
    available: true,
    query: { nftables: [] },
    open: () => this.nftables,
    monitor: { close: () => undefined },
  });
  readonly conntrack = this.port('conntrack', {});
  readonly processes = this.port('processes', {
    wait: Promise.resolve({ code: 0, signal: null }),
    run: Promise.resolve({ code: 0, signal: null, stdout: '', stderr: '', timedOut: false }),
    signal: true,
    signalPidfd: true,
    isAlive: false,
    waitForExit: Promise.resolve(),
    readLine: Promise.resolve(''),
    readAll: Promise.resolve(Buffer.alloc(0)),
  });
  readonly seccomp = this.port('seccomp', {
    available: true,
    defaultProfile: { defaultAction: 'SCMP_ACT_ERRNO' },
  });
  readonly cgroups = this.port('cgroups', {
    layout: {
      version: 'v2',
      controllers: ['cpu', 'memory', 'pids', 'io'],
      mounts: { unified: '/sys/fs/cgroup' },
    },
    prepareHost: [],
    directories: (path: string) => ({ unified: `/sys/fs/cgroup${path}` }),
    directory: (path: string) => `/sys/fs/cgroup${path}`,
    pids: [],
    isFrozen: false,
    oomKills: 0,
    onOom: () => () => undefined,
    remove: Promise.resolve(),
    freeze: Promise.resolve(),
    thaw: Promise.resolve(),
    killAll: Promise.resolve(true),
  });
  readonly paths = this.port('paths', {
    resolveInRoot: (root: string, path: string) => `${root}/${path}`.replace(/\/+/g, '/'),
  });
  readonly files = this.port('files', { listXattrs: [], listXattrsAt: [] });
  readonly quotas = this.port('quotas', { available: false });
  readonly sockets = this.port('sockets', {});
  readonly appArmor = this.port('appArmor', { available: false, isLoaded: false, load: Promise.resolve() });
  readonly host = this.port('host', {
    kernelVersion: [6, 1, 0],
    cpuCount: 2,
    memoryTotal: 2 ** 31,
    hostname: 'host',
    legacyTables: [],
  });

  /** Every {@link Netlink.open} gives this one; its calls are recorded as `netlinkSocket.send` and so on. */
  private readonly netlinkSocket = this.recorder('netlinkSocket', { links: [], addresses: [], routes: [] });

  /** Sets what a method answers from now on. */
  answer<P extends PortName, M extends MethodOf<P>>(port: P, method: M, answer: Answer<P, M>): this {
    this.answers.set(`${port}.${method}`, answer);
    return this;
  }

  /** The same for the socket of {@link Linux.netlink}: `send`, `links`, `link`, `addresses`, `routes`. */
  answerNetlink(method: 'send' | 'links' | 'link' | 'addresses' | 'routes', answer: unknown): this {
    this.answers.set(`netlinkSocket.${method}`, answer);
    return this;
  }

  /** The arguments of each call of one method, in order. Of a netlink socket: `callsOf('netlinkSocket', 'send')`. */
  callsOf(port: PortName | 'netlinkSocket', method: string): unknown[][] {
    return this.calls.filter((call) => call.method === `${port}.${method}`).map((call) => call.args);
  }

  private port<P extends PortName>(name: P, defaults: { [M in MethodOf<P>]?: unknown }): Linux[P] {
    return this.recorder(name, defaults) as Linux[P];
  }

  private recorder(name: string, defaults: Record<string, unknown>): object {
    return new Proxy(
      {},
      {
        get: (_, method) => {
          // Nest and jest probe objects for these; a port has no such method.
          if (
            typeof method === 'symbol' ||
            ['then', 'toJSON', 'onModuleInit', 'asymmetricMatch'].includes(method)
          ) {
            return undefined;
          }
          return (...args: unknown[]): unknown => {
            const key = `${name}.${method}`;
            this.calls.push({ method: key, args });
            const answer = this.answers.has(key) ? this.answers.get(key) : defaults[method];
            return typeof answer === 'function'
              ? (answer as (...all: unknown[]) => unknown)(...args)
              : answer;
          };
        },
      },
    );
  }
}
