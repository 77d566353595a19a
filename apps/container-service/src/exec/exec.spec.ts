import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { StdStream } from '@gantry/proto/common';
import type { AttachResponse, StartExecRequest } from '@gantry/proto/container';
import { fromJson } from '@gantry/shared/grpc';
import type { ContainerRecord } from '../records/container-record';
import { FakeCall, RealContainers } from '../running-container.fixture';
import { ExecExits } from './exec-exits';
import { ExecMonitor } from './exec-monitor';
import type { ExecConfig } from './exec-record';
import { ExecStore } from './exec-store';
import { ExecService } from './exec.service';

const needed = ['/usr/bin/conmon', '/usr/bin/crun', '/bin/busybox'];
const usable = process.getuid?.() === 0 && needed.every((path) => existsSync(path));

(usable ? describe : describe.skip)('exec in a real container (root, conmon, crun, busybox)', () => {
  let real: RealContainers;
  let exec: ExecService;
  const newExecService = () => {
    const store = new ExecStore(real.store, real.paths);
    const monitor = new ExecMonitor(real.linux, real.paths);
    const exits = new ExecExits(
      real.store,
      store,
      monitor,
      real.containerEvents,
      real.lifecycle,
      real.logger,
    );
    return new ExecService(
      real.linux,
      real.store,
      store,
      exits,
      monitor,
      real.runtimes,
      real.containerEvents,
      real.paths,
    );
  };

  beforeAll(() => {
    real = new RealContainers();
    exec = newExecService();
  });
  afterAll(() => real.close());
  beforeEach(() => void (real.events.length = 0));

  const textOf = (heard: AttachResponse[], stream = StdStream.STD_STREAM_STDOUT): string =>
    Buffer.concat(
      heard.flatMap(({ message }) =>
        message?.$case === 'output' && message.value.stream === stream ? [message.value.data] : [],
      ),
    ).toString();
  const started = (heard: AttachResponse[]) => heard[0]?.message?.$case === 'started';

  let container: ContainerRecord;
  beforeAll(async () => {
    container = await real.run({ args: ['sleep', '1000'], env: ['RUNVAR=rv'] });
  });

  const create = async (config: ExecConfig) => {
    const document = Buffer.from(JSON.stringify({ AttachStdout: true, AttachStderr: true, ...config }));
    return (await exec.create({ container: container.id, config: document })).id;
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
    expect(await run({ Cmd: ['id'], User: 'nobody2' })).toMatchObject({
      out: 'unable to find user nobody2: no matching entries in passwd file\r\n',
      ExitCode: 126,
    });
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
      Cmd: ['sh', '-c', 'stty size; exit 8'],
      Tty: true,
      ConsoleSize: [31, 90],
    });
    expect(out).toBe('31 90\r\n');
    expect(ExitCode).toBe(8);
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
    await expect(begin(id).done).rejects.toThrow(`Exec command ${id} is already running`);
    while ((await inspect(id)).Running) await new Promise((resolve) => setTimeout(resolve, 10));
    await expect(begin(id).done).rejects.toThrow(`Exec command ${id} has already run`);
    await expect(exec.inspect({ execId: 'nope' })).rejects.toThrow('No such exec instance: nope');
  });

  it('survives the service: a new one knows it and its exit code', async () => {
    const id = await create({ Cmd: ['sh', '-c', 'sleep 0.3; exit 5'] });
    await begin(id, { detach: true }).done;
    const next = newExecService();
    real.lifecycle.emit('adopted', container);
    expect(await inspect(id, next)).toMatchObject({ Running: true });
    while ((await inspect(id, next)).Running) await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await inspect(id, next)).ExitCode).toBe(5);
  });

  it('ends with 137 when the container is killed, and is refused afterwards', async () => {
    const id = await create({ Cmd: ['sleep', '50'] });
    const { call, done } = begin(id);
    await call.until(started);
    while ((await inspect(id)).Pid === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    real.kill(container);
    await done;
    expect((await inspect(id)).ExitCode).toBe(137);
    await real.exited(container);
    await expect(create({ Cmd: ['true'] })).rejects.toThrow(`Container ${container.id} is not running`);
  });
});
