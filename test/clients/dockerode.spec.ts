import { PassThrough, Readable } from 'node:stream';
import Docker from 'dockerode';
import { tarOf } from '../support/busybox-image';
import { instance } from '../support/engine';
import { eventually } from '../support/eventually';

describe('dockerode', () => {
  const engine = new Docker({ socketPath: instance.socket });

  it('runs a container and gets its output and exit code', async () => {
    const output = new PassThrough();
    const parts: Buffer[] = [];
    output.on('data', (part: Buffer) => parts.push(part));
    const [result, container] = (await engine.run('busybox', ['sh', '-c', 'echo hi; exit 3'], output, {
      Tty: true,
    })) as [{ StatusCode: number }, Docker.Container];
    expect(result.StatusCode).toBe(3);
    expect(Buffer.concat(parts).toString()).toBe('hi\r\n');
    await container.remove();
  });

  it('executes with a hijacked stream', async () => {
    const container = await engine.createContainer({ Image: 'busybox', Cmd: ['sleep', '60'] });
    await container.start();
    const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const stdout = new PassThrough();
    engine.modem.demuxStream(stream, stdout, new PassThrough());
    const read = (async () => {
      const parts: Buffer[] = [];
      stdout.on('data', (part: Buffer) => parts.push(part));
      await new Promise((resolve) => stream.once('end', resolve));
      return Buffer.concat(parts).toString();
    })();
    stream.end('through dockerode');
    expect(await read).toBe('through dockerode');
    await container.remove({ force: true });
  });

  it('attaches with a hijacked stream, whose request it never ends', async () => {
    const container = await engine.createContainer({
      Image: 'busybox',
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      Tty: false,
    });
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      hijack: true,
    });
    const stdout = new PassThrough();
    engine.modem.demuxStream(stream, stdout, new PassThrough());
    const parts: Buffer[] = [];
    stdout.on('data', (part: Buffer) => parts.push(part));
    await container.start();
    stream.end('through attach');
    expect(await container.wait()).toMatchObject({ StatusCode: 0 });
    await eventually(() => expect(Buffer.concat(parts).toString()).toBe('through attach'));
    await container.remove();
  });

  it('builds with a session of BuildKit', async () => {
    const context = await tarOf([
      { header: { name: 'Dockerfile' }, body: Buffer.from('FROM busybox\nRUN echo built > /out\n') },
    ]);
    const tag = 'dockerode-session:1';
    const progress = await engine.buildImage(Readable.from([context]), { t: tag, version: '2' });
    await new Promise<void>((resolve, reject) =>
      engine.modem.followProgress(progress, (error) => (error ? reject(error) : resolve())),
    );
    await engine.getImage(tag).remove();
  });

  it('lists images, networks and volumes', async () => {
    const images = await engine.listImages();
    expect(images.flatMap(({ RepoTags }) => RepoTags ?? [])).toContain('busybox:latest');
    expect((await engine.listNetworks()).length).toBeGreaterThanOrEqual(3);
    expect(await engine.listVolumes()).toHaveProperty('Volumes');
  });
});
