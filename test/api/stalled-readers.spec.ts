import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tarOf } from '../support/busybox-image';
import { freshName, removeContainer, startContainer } from '../support/containers';
import { api, instance, pidOf } from '../support/engine';
import { eventually } from '../support/eventually';
import type { ServiceName } from '../support/test-instance';

const SERVICES: ServiceName[] = ['gateway', 'container', 'image', 'volume', 'network', 'redis'];
const MIB = 1024 * 1024;
const WRITTEN = 128 * MIB;
/** With what V8 has not cleared away yet. */
const LITTLE = 90 * MIB;

/** Of a service's memory, in bytes: now, or the most since `resetPeak` (proc(5)). */
function memory(service: ServiceName, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pidOf(service)}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}
const resetPeak = (service: ServiceName) => writeFileSync(`/proc/${pidOf(service)}/clear_refs`, '5');

/** A client that asks for something, reads its beginning and then nothing more. */
async function stalledClient(request: string, body: Buffer = Buffer.alloc(0)): Promise<Socket> {
  const socket = connect(instance.socket);
  socket.write(`${request} HTTP/1.1\r\nHost: d\r\nContent-Length: ${body.length}\r\n`);
  socket.write(`Content-Type: application/x-tar\r\nConnection: close\r\n\r\n`);
  if (body.length > 0) socket.write(body);
  await once(socket, 'readable');
  return socket;
}

describe('readers that do not read', () => {
  jest.setTimeout(60_000);

  /** What the services' memory has grown to in between. */
  async function expectLittleMemory(action: () => Promise<void>): Promise<void> {
    const before = SERVICES.map((service) => memory(service, 'VmRSS'));
    SERVICES.forEach(resetPeak);
    await action();
    SERVICES.forEach((service, index) => {
      const grown = memory(service, 'VmHWM') - (before[index] ?? 0);
      expect({ service, grown: grown < LITTLE || grown }).toEqual({ service, grown: true });
    });
  }

  it('of a build neither hold it up nor fill memory, and are told that something is missing', async () => {
    const name = freshName('talkative');
    const command = `yes 0123456789abcdef0123456789abcdef0123456789abcdef | head -c ${WRITTEN}`;
    const context = await tarOf([
      { header: { name: 'Dockerfile' }, body: Buffer.from(`FROM busybox\nRUN ${command}\n`) },
    ]);
    let stalled: Socket | undefined;
    await expectLittleMemory(async () => {
      stalled = await stalledClient(`POST /build?t=${name}&nocache=1`, context);
      await eventually(async () => expect((await api.get(`/images/${name}/json`)).status).toBe(200), 40_000);
    });
    let text = '';
    stalled?.on('data', (data: Buffer) => (text += data.toString('latin1')));
    stalled?.resume();
    if (stalled) await once(stalled, 'close');
    expect(text).toContain('[output clipped: the reader is more than 16 MiB behind]');
    expect(text).toContain('Successfully tagged');
    await api.delete(`/images/${name}`);
  });

  it.each(['local', 'json-file'])(
    'of a log (%s) neither hold up the container nor fill memory',
    async (driver) => {
      const id = await startContainer({
        cmd: [
          'sh',
          '-c',
          `read go; yes 0123456789abcdef0123456789abcdef0123456789abcdef | head -c ${WRITTEN}`,
        ],
        config: { OpenStdin: true },
        host: { LogConfig: { Type: driver, Config: {} } },
      });
      const stalled = await stalledClient(`GET /containers/${id}/logs?follow=1&stdout=1`);
      await expectLittleMemory(async () => {
        const { socket } = await api.upgrade(`/containers/${id}/attach?stream=1&stdin=1`);
        socket.end('go\n');
        expect((await api.post(`/containers/${id}/wait`)).body).toEqual({ StatusCode: 0 });
      });
      stalled.destroy();
      await removeContainer(id);
    },
  );
});
