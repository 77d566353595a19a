import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { api, docker, killService, pidOf } from '../support/engine';
import { freshName, inspect, removeContainer, startContainer } from '../support/containers';
import { eventually } from '../support/eventually';
import type { ServiceName } from '../support/test-instance';

const SERVICES: ServiceName[] = ['gateway', 'image', 'container', 'volume', 'network'];

describe.each(SERVICES)('kill -9 of the %s service', (service) => {
  jest.setTimeout(60_000);
  const ids: string[] = [];
  afterAll(async () => {
    for (const id of ids) await removeContainer(id);
  });

  it('stops no container and loses no log line, no exit code and no name', async () => {
    const name = freshName(`fault-${service}`);
    const running = await startContainer({
      name,
      cmd: ['sh', '-c', 'i=0; while :; do echo line $i; i=$((i+1)); sleep .05; done'],
      host: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] }, Binds: [`${name}:/d`] },
    });
    const ending = await startContainer({
      cmd: ['sh', '-c', 'while [ ! -e /d/end ]; do sleep .05; done; exit 42'],
      host: { Binds: [`${name}:/d`] },
    });
    ids.push(running, ending);
    const { Pid } = (await inspect(running)).State;
    const servicePid = pidOf(service);

    // The second container ends while the service is away.
    const killed = killService(service);
    process.kill(Pid, 0);
    await docker(['version']);
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`/proc/${Pid}/root/d/end`, '');
    await killed;

    expect(pidOf(service)).not.toBe(servicePid);
    expect((await inspect(running)).State).toMatchObject({ Status: 'running', Pid });
    expect((await api.post(`/containers/${ending}/wait`)).body).toEqual({ StatusCode: 42 });
    expect((await inspect(ending)).State).toMatchObject({ Status: 'exited', ExitCode: 42 });

    const exec = await docker(['exec', name, 'echo', 'in']);
    expect(exec).toMatchObject({ code: 0, stdout: 'in\n' });

    const lines = (await docker(['logs', name])).stdout.trim().split('\n');
    expect(lines).toEqual(lines.map((_, index) => `line ${index}`));
    await eventually(async () => {
      const later = (await docker(['logs', name])).stdout.trim().split('\n');
      expect(later.length).toBeGreaterThan(lines.length);
    });

    const after = await docker(['run', '--rm', 'busybox', 'echo', 'new']);
    expect(after).toMatchObject({ code: 0, stdout: 'new\n' });

    expect(await docker(['stop', '-t', '0', name])).toMatchObject({ code: 0 });
    expect((await inspect(running)).State).toMatchObject({ Status: 'exited', ExitCode: 137 });
  });
});

it('an archive that is loaded or saved while image-service is away waits for it, as calls do', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'away-'));
  const archive = join(directory, 'busybox.tar');
  expect(await docker(['save', '-o', archive, 'busybox'])).toMatchObject({ code: 0 });
  for (const command of [
    ['load', '-i', archive],
    ['save', '-o', join(directory, 'again.tar'), 'busybox'],
  ]) {
    const servicePid = pidOf('image');
    const killed = killService('image');
    await eventually(() => expect(existsSync(`/proc/${servicePid}`)).toBe(false));
    expect(await docker(command)).toMatchObject({ code: 0 });
    await killed;
  }
  rmSync(directory, { recursive: true });
});
