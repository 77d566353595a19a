import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RealContainers } from '../running-container.fixture';
import { ContainerStreams } from './container-streams';
import { OutputQueue } from './output-queue';

const needed = ['/usr/bin/conmon', '/usr/bin/crun', '/bin/busybox'];
const usable = process.getuid?.() === 0 && needed.every((path) => existsSync(path));
const withContainers = usable ? it : it.skip;

// conmon's link to the bundle is `<run>/containers/sockets/<id>`; where that would have 107 bytes it makes it one shorter.
withContainers.each([22, 23, 24, 80])('attaches below a run directory of %i bytes', async (bytes) => {
  const runDir = join(tmpdir(), `${process.pid}`.padEnd(bytes - tmpdir().length - 1, '-'));
  expect(runDir).toHaveLength(bytes);
  const real = new RealContainers(runDir);
  try {
    const streams = new ContainerStreams(real.linux, real.paths, real.lifecycle);
    const record = await real.run({ args: ['sleep', '1000'] });
    const attached = await streams.attach(record, new OutputQueue({ stdout: true, stderr: true }));
    expect(attached).toBeDefined();
    attached?.close();
  } finally {
    await real.close();
  }
});
