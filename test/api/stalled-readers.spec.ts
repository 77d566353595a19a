import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { removeContainer, startContainer } from '../support/containers';
import { api, instance, pidOf } from '../support/engine';
import type { ServiceName } from '../support/test-instance';

const SERVICES: ServiceName[] = ['gateway', 'container', 'image', 'volume', 'network'];
const MIB = 1024 * 1024;
const WRITTEN = 128 * MIB;

/** Of a service's memory, in bytes: now, or the most since `resetPeak` (proc(5)). */
function memory(service: ServiceName, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pidOf(service)}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}
const resetPeak = (service: ServiceName) => writeFileSync(`/proc/${pidOf(service)}/clear_refs`, '5');

/** A client that asks for something, reads its beginning and then nothing more. */
async function stalledClient(request: string): Promise<Socket> {
  const socket = connect(instance.socket);
  socket.write(`${request} HTTP/1.1\r\nHost: d\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

describe('readers that do not read', () => {
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
      const before = SERVICES.map((service) => memory(service, 'VmRSS'));
      SERVICES.forEach(resetPeak);
      const { socket } = await api.upgrade(`/containers/${id}/attach?stream=1&stdin=1`);
      socket.end('go\n');
      expect((await api.post(`/containers/${id}/wait`)).body).toEqual({ StatusCode: 0 });
      SERVICES.forEach((service, index) => {
        const grown = memory(service, 'VmHWM') - (before[index] ?? 0);
        expect({ service, grown: grown < 50 * MIB || grown }).toEqual({ service, grown: true });
      });
      stalled.destroy();
      await removeContainer(id);
    },
  );
});
