import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { StdStream } from '@gantry/proto/common';
import type { AttachResponse, StartExecRequest } from '@gantry/proto/container';
import { fromJson } from '@gantry/shared/grpc';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { FakeCall, RealContainers } from '../running-container.fixture';
import { ExecExits } from './exec-exits';
import { ExecFiles } from './exec-files';
import { ExecMonitor } from './exec-monitor';
import type { ExecConfig } from './exec-record';
import { ExecShell } from './exec-shell';
import { ExecStore } from './exec-store';
import { ExecTerminal } from './exec-terminal';
import { ExecService } from './exec.service';

const needed = ['/usr/bin/conmon', '/usr/bin/crun', '/bin/busybox'];
const usable = process.getuid?.() === 0 && needed.every((path) => existsSync(path));
const withContainers = usable ? describe : describe.skip;

withContainers('exec in real containers (root, conmon, crun, busybox)', () => {
  let real: RealContainers;
  let files: ExecFiles;
  let life: ReturnType<typeof newLife>;
  let exec: ExecService;
  let container: ContainerRecord;

  /** One life of the service. */
  const newLife = () => {
    const { linux, paths, containerEvents, logger } = real;
    const lifecycle = new ContainerLifecycleEvents(logger);
    const store = new ExecStore(real.store, files);
    const shell = new ExecShell(linux, paths, files);
    const terminal = new ExecTerminal(linux, paths, files);
    const monitor = new ExecMonitor(linux, files, shell, terminal);
    const exits = new ExecExits(real.store, store, files, monitor, containerEvents, lifecycle, logger);
    return {
      service: new ExecService(
        linux,
        real.store,
        store,
        files,
        exits,
        monitor,
        real.runtimes,
        containerEvents,
        paths,
      ),
      /** Finds the container running. */
      adopt: () => lifecycle.emit('adopted', container),
      containerEnded: () => lifecycle.emit('exited', container),
      /** As if it were killed: it does nothing more to what is on disk. */
      die: () => void Object.assign(monitor, { forget: () => {} }),
    };
  };

  beforeAll(async () => {
    real = new RealContainers();
    files = new ExecFiles(real.paths);
    life = newLife();
    exec = life.service;
    container = await real.run({ args: ['sleep', '1000'], env: ['RUNVAR=rv'] });
  });
  afterAll(() => real.close());
  beforeEach(() => void (real.events.length = 0));

  const textOf = (heard: AttachResponse[], stream = StdStream.STD_STREAM_STDOUT) =>
    Buffer.concat(
      heard.flatMap(({ message }) =>
        message?.$case === 'output' && message.value.stream === stream ? [message.value.data] : [],
      ),
    ).toString();
  const started = (heard: AttachResponse[]) => heard[0]?.message?.$case === 'started';

  const create = async (config: ExecConfig, service = exec) => {
    const document = Buffer.from(JSON.stringify({ AttachStdout: true, AttachStderr: true, ...config }));
    return (await service.create({ container: container.id, config: document })).id;
  };
  const begin = (id: string, { detach = false, tty = false, service = exec } = {}) => {
    const call = new FakeCall<StartExecRequest, AttachResponse>();
    call.say({ message: { $case: 'start', value: { execId: id, detach, tty, consoleSize: undefined } } });
    return { call, done: service.start(call.duplex) };
  };
  const inspect = async (id: string, service = exec) =>
    fromJson<{ Running: boolean; ExitCode: number | null; Pid: number }>(
      await service.inspect({ execId: id }),
    );
  const tick = () => new Promise((resolve) => setTimeout(resolve, 10));
  const ended = async (id: string, service = exec) => {
    while ((await inspect(id, service)).Running) await tick();
  };
  const run = async (config: ExecConfig) => {
    const id = await create(config);
    const { call, done } = begin(id);
    await done;
    return {
      id,
      out: textOf(call.heard),
      err: textOf(call.heard, StdStream.STD_STREAM_STDERR),
      ...(await inspect(id)),
    };
  };

  it('gives output, exit code and events', async () => {
    const result = await run({ Cmd: ['sh', '-c', 'echo o; echo e >&2; exit 9'] });
    expect(result).toMatchObject({ out: 'o\n', err: 'e\n', ExitCode: 9, Running: false });
    expect(real.events).toEqual([
      'exec_create: sh -c echo o; echo e >&2; exit 9',
      'exec_start: sh -c echo o; echo e >&2; exit 9',
      'exec_die',
    ]);
    expect(real.store.execIds(container.id).size).toBe(0);
  });

  it('takes environment, user and directory', async () => {
    const { out } = await run({
      Cmd: ['sh', '-c', 'echo $EV $RUNVAR $HOME; id -u; id -g; id -G; pwd'],
      Env: ['EV=x'],
      User: 'bob',
      WorkingDir: '/tmp',
    });
    expect(out).toBe('x rv /home/bob\n1500\n1500\n1500 1600\n/tmp\n');
    await expect(run({ Cmd: ['id'], User: 'nobody2' })).rejects.toThrow(
      'unable to find user nobody2: no matching entries in passwd file',
    );
  });

  it('has the capabilities of the container, or with Privileged all', async () => {
    const command = { Cmd: ['grep', 'CapEff', '/proc/self/status'] };
    expect((await run(command)).out).toBe('CapEff:\t00000000a80425fb\n');
    expect((await run({ ...command, Privileged: true })).out).not.toContain('a80425fb');
  });

  it('takes stdin to its end', async () => {
    const input = randomBytes(700_000);
    const id = await create({ Cmd: ['md5sum'], AttachStdin: true });
    const { call, done } = begin(id);
    call.say({ message: { $case: 'stdin', value: input } });
    call.finish();
    await done;
    expect(textOf(call.heard)).toBe(`${createHash('md5').update(input).digest('hex')}  -\n`);
  });

  it('has a terminal with its size', async () => {
    const { out, ExitCode } = await run({
      // crun sets the size when the process has just begun; without one, stty says nothing and succeeds.
      Cmd: [
        'sh',
        '-c',
        'while size=$(stty size 2>/dev/null); [ -z "$size" ]; do :; done; echo $size; exit 8',
      ],
      Tty: true,
      ConsoleSize: [31, 90],
    });
    expect(out).toBe('31 90\r\n');
    expect(ExitCode).toBe(8);
  });

  it('has the size that comes while it begins', async () => {
    const look = '[ "$(stty size 2>/dev/null)" = "33 101" ] && exec echo resized';
    const id = await create({
      Cmd: ['sh', '-c', `for i in $(seq 2000); do ${look}; usleep 10000; done`],
      Tty: true,
    });
    const { call, done } = begin(id, { tty: true });
    while (!started(call.heard)) await setImmediate();
    await exec.resize({ target: id, size: { rows: 33, columns: 101 } });
    await done;
    expect(textOf(call.heard)).toBe('resized\r\n');
  });

  it.each([
    { own: false, asked: true, out: 'o\nnot a tty\n', err: '' },
    { own: true, asked: false, out: 'o\r\ne\r\n/dev/pts/0\r\n', err: '' },
  ])(
    'is framed as its start asks, whatever it has itself: $own, $asked',
    async ({ own, asked, out, err }) => {
      const id = await create({ Cmd: ['sh', '-c', 'echo o; echo e >&2; tty'], Tty: own });
      const { call, done } = begin(id, { tty: asked });
      await done;
      expect(call.heard[0]?.message).toEqual({ $case: 'started', value: { tty: asked } });
      expect(textOf(call.heard)).toBe(out);
      expect(textOf(call.heard, StdStream.STD_STREAM_STDERR)).toBe(err);
    },
  );

  it('with detach keys that mean nothing is refused', () =>
    expect(create({ Cmd: ['true'], DetachKeys: 'ctrl-' })).rejects.toThrow(
      'Invalid escape keys (ctrl-) provided',
    ));

  it("of a missing program says so in dockerd's words", async () => {
    expect(await run({ Cmd: ['nonesuchcmd'] })).toMatchObject({
      out: 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nonesuchcmd": executable file not found in $PATH: unknown\r\n',
      ExitCode: 127,
    });
    expect((await run({ Cmd: ['/etc/passwd'] })).ExitCode).toBe(126);
  });

  it('runs detached, and only once', async () => {
    const id = await create({ Cmd: ['sleep', '0.2'] });
    await begin(id, { detach: true }).done;
    expect(await inspect(id)).toMatchObject({ Running: true, ExitCode: null });
    await expect(begin(id, { detach: true }).done).rejects.toThrow(`Exec command ${id} is already running`);
    await ended(id);
    await expect(begin(id, { detach: true }).done).rejects.toThrow(`Exec command ${id} has already run`);
    await expect(exec.inspect({ execId: 'nope' })).rejects.toThrow('No such exec instance: nope');
  });

  it('started again is told so on its stream, which Compose does not read', async () => {
    const id = await create({ Cmd: ['true'] });
    await begin(id).done;
    const { call, done } = begin(id);
    await done;
    expect(textOf(call.heard)).toBe(`Error: Exec command ${id} has already run\r\n`);
  });

  it('survives the service: a new one knows it and its exit code', async () => {
    const [last, next] = [newLife(), newLife()];
    const id = await create({ Cmd: ['sh', '-c', 'sleep 0.3; exit 5'] }, last.service);
    await begin(id, { detach: true, service: last.service }).done;
    last.die();
    next.adopt();
    expect(await inspect(id, next.service)).toMatchObject({ Running: true });
    await ended(id, next.service);
    expect((await inspect(id, next.service)).ExitCode).toBe(5);
  });

  it('tells a client of a detached exec that it did not begin', async () => {
    const id = await create({ Cmd: ['nonesuchcmd'] });
    await expect(begin(id, { detach: true }).done).rejects.toThrow('executable file not found in $PATH');
    const elsewhere = await create({ Cmd: ['true'], WorkingDir: '/nonesuch' });
    await expect(begin(elsewhere, { detach: true }).done).rejects.toThrow(
      'chdir to cwd ("/nonesuch") set in config.json failed: no such file or directory',
    );
    expect((await inspect(elsewhere)).ExitCode).toBe(126);
    expect(existsSync(files.directory({ id, containerId: container.id }))).toBe(false);
  });

  it('loses nothing of much output', async () => {
    const { out } = await run({ Cmd: ['seq', '1', '300000'] });
    expect(out).toBe(Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join(''));
  });

  it('ends with its process, not with what that left in the background', async () => {
    const { out, ExitCode } = await run({ Cmd: ['sh', '-c', 'sleep 1000 & echo here; exit 4'] });
    expect(out).toBe('here\n');
    expect(ExitCode).toBe(4);
  });

  it('goes on without the service that was attached to it, however much it writes', async () => {
    const [last, next] = [newLife(), newLife()];
    const Cmd = ['sh', '-c', 'read x; seq 1 300000 && exit 6'];
    const id = await create({ Cmd, AttachStdin: true }, last.service);
    const { call } = begin(id, { service: last.service });
    await call.until(started);
    while ((await inspect(id, last.service)).Pid === 0) await tick();
    // A client that does not read: the pipes fill up, as when the service is gone.
    call.cork();
    last.die();
    call.say({ message: { $case: 'stdin', value: Buffer.from('go\n') } });
    next.adopt();
    await ended(id, next.service);
    expect((await inspect(id, next.service)).ExitCode).toBe(6);
    call.leave();
  });

  it('ends with 137 when the container is killed, and is refused afterwards', async () => {
    const id = await create({ Cmd: ['sleep', '50'] });
    const neverStarted = await create({ Cmd: ['true'] });
    const { call, done } = begin(id);
    await call.until(started);
    while ((await inspect(id)).Pid === 0) await tick();
    real.kill(container);
    await done;
    expect((await inspect(id)).ExitCode).toBe(137);
    await real.exited(container);
    await expect(create({ Cmd: ['true'] })).rejects.toThrow(`Container ${container.id} is not running`);
    life.containerEnded();
    // As in dockerd, the container does not list it any more, but it can be asked about.
    expect([...real.store.execIds(container.id)]).toEqual([]);
    expect(await inspect(neverStarted)).toMatchObject({ Running: false, ExitCode: null });
  });
});
