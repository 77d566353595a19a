import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, lstatSync, readFileSync, rmSync, writeFileSync, chownSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs, tarOf } from '../support/busybox-image';
import { dockerEnvironment, dockerOn } from '../support/docker-cli';
import { EngineClient } from '../support/engine-client';
import { eventually } from '../support/eventually';
import { TestInstance } from '../support/test-instance';

/** An engine whose containers have users of their own (dockerd's --userns-remap), through the stock CLI. */
describe('remapped users', () => {
  jest.setTimeout(120_000);
  const FIRST = 200_000;
  let instance: TestInstance;
  let docker: (...args: string[]) => Promise<string>;
  let refusal: (...args: string[]) => Promise<string>;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'remap-'));
    instance = await TestInstance.start(`u${process.pid.toString(36).slice(-6)}`, {
      env: { GANTRY_USERNS_REMAP: `${FIRST}+65536` },
    });
    const cli = dockerOn(instance.dockerHost);
    docker = async (...args) => {
      const { code, stdout, stderr } = await cli(args);
      if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
      return stdout.trim();
    };
    refusal = async (...args) => {
      const { code, stderr } = await cli(['run', '--rm', ...args, 'busybox', 'true']);
      expect(code).toBe(125);
      return stderr;
    };
    await new EngineClient(instance.socket).post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
  });
  afterAll(async () => {
    if (instance) await instance.clean();
    rmSync(directory, { recursive: true });
  });

  const onHost = (path: string) => {
    const { uid, gid } = lstatSync(path);
    return [uid, gid];
  };

  it('root of a container is nobody on the host, and root inside', async () => {
    const id = await docker('run', '-d', '--name', 'root', '-w', '/new/place', 'busybox', 'sleep', '300');
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', id);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\t${FIRST}\\t`, 'm'));
    const shown = await docker(
      ...['exec', id, 'sh', '-c'],
      'id -u; echo own > /etc/hosts; echo through > /dev/stdout; stat -c %u . /etc/hosts /bin /proc/1 /dev/shm',
    );
    expect(shown.split('\n')).toEqual(['0', 'through', '0', '0', '0', '0', '0']);
    expect(await docker('exec', '-u', 'bob', id, 'sh', '-c', 'id -u; echo t > /dev/stderr')).toBe('1500');
    expect(await docker('info', '-f', '{{.SecurityOptions}}')).toContain('name=userns');
  });

  it('has a network and capabilities of its own', async () => {
    const script =
      'ip addr add 10.9.8.7/32 dev lo && ls /sys/class/net && cat /proc/sys/net/ipv4/ping_group_range';
    expect(await docker('run', '--rm', '--cap-add', 'NET_ADMIN', 'busybox', 'sh', '-c', script)).toMatch(
      /^eth0\nlo\n0\s+65535$/,
    );
  });

  it('writes layers, volumes and commits with the owners that it sees', async () => {
    const script =
      'chown bob:bobs /data/seed; rm /etc/group; echo mine > /made; echo v > /vol/made; stat -c %u /vol/seed';
    expect(
      await docker(
        'run',
        '--name',
        'writer',
        '-v',
        'vol:/vol',
        '-v',
        'seeded:/data',
        'busybox',
        'sh',
        '-c',
        `cp /data/seed /vol/seed; ${script}`,
      ),
    ).toBe('0');
    const id = await docker('inspect', '-f', '{{.Id}}', 'writer');
    const below = (...path: string[]) => join(instance.dataRoot, ...path);
    expect(onHost(below('overlay2', id, 'diff/made'))).toEqual([0, 0]);
    expect(onHost(below('volumes/vol/_data/made'))).toEqual([0, 0]);
    expect(onHost(below('volumes/seeded/_data/seed'))).toEqual([1500, 1600]);
    expect((await docker('diff', 'writer')).split('\n')).toEqual(
      expect.arrayContaining(['A /made', 'D /etc/group']),
    );
    await docker('commit', 'writer', 'written');
    const look = ['written', 'stat', '-c', '%u:%g %n', '/made', '/vol/made', '/data/seed'];
    const seen = '0:0 /made\n0:0 /vol/made\n1500:1600 /data/seed';
    const volumes = ['-v', 'vol:/vol', '-v', 'seeded:/data'];
    expect(await docker('run', '--rm', ...volumes, ...look)).toBe(seen);
    expect(await docker('run', '--rm', '--userns', 'host', ...volumes, ...look)).toBe(seen);
  });

  it('shows files of the host as nobody’s', async () => {
    chmodSync(directory, 0o755);
    writeFileSync(join(directory, 'secret'), 'of root', { mode: 0o600 });
    const look = 'stat -c %u /host/secret; cat /host/secret; touch /host/new; true';
    const run = ['run', '--rm', '-v', `${directory}:/host`];
    expect(await docker(...run, 'busybox', 'sh', '-c', look)).toBe('65534');
    expect(await docker(...run, '--userns', 'host', 'busybox', 'sh', '-c', look)).toBe('0\nof root');
  });

  it.each(['running', 'created'])('copies into and out of a container that is %s', async (state) => {
    const file = join(directory, 'file');
    writeFileSync(file, 'copied');
    chownSync(file, 1500, 1600);
    const run = state === 'running' ? ['run', '-d'] : ['create'];
    const id = await docker(...run, '-v', `cp-${state}:/vol`, 'busybox', 'sleep', '300');
    await docker('cp', '-a', file, `${id}:/copied`);
    await docker('cp', '-a', file, `${id}:/vol/copied`);
    const engine = new EngineClient(instance.socket);
    for (const path of ['/copied', '/vol/copied']) {
      const out = `docker cp ${id}:${path} - | tar -tvn --numeric-owner`;
      const env = dockerEnvironment(instance.dockerHost);
      expect(execFileSync('sh', ['-c', out], { env, encoding: 'utf8' })).toMatch(/ 1500\/1600 .* copied\n$/);
    }
    const foreign = await tarOf([{ header: { name: 'x', uid: 70_000, gid: 0 }, body: Buffer.from('') }]);
    const refused = await engine.put(`/containers/${id}/archive?path=/`, foreign);
    expect(refused.text).toContain('Container ID 70000 cannot be mapped to a host ID');
    await docker('rm', '-f', id);
  });

  it('refuses what belongs to the host, unless the container does too', async () => {
    expect(await refusal('--privileged')).toContain(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
    );
    expect(await refusal('--network', 'host')).toContain(
      "cannot share the host's network namespace when user namespaces are enabled",
    );
    expect(await refusal('--pid', 'host')).toContain(
      'cannot share the host PID namespace when user namespaces are enabled',
    );
    const host = ['--userns', 'host', '--privileged', '--network', 'host', '--pid', 'host'];
    expect(await docker('run', '--rm', ...host, 'busybox', 'cat', '/proc/self/uid_map')).toMatch(/^0\s+0\s/);
  });

  it('finds its containers again after a crash', async () => {
    await docker('run', '-d', '--name', 'again', '--restart', 'always', 'busybox', 'sleep', '300');
    await instance.kill('container');
    await instance.kill('image');
    const map = ['exec', 'again', 'sh', '-c', 'cat /proc/self/uid_map; echo open > /dev/stdout'];
    await eventually(async () => expect(await docker(...map)).toMatch(/^0\s+200000\s+65536\nopen$/));
    await docker('restart', '-t', '0', 'again');
    expect(await docker(...map)).toMatch(/^0\s+200000\s+65536\nopen$/);
  });
});
