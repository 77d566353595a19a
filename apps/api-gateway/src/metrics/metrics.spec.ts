import { EventEmitter } from 'node:events';
import type { Request, Response } from '../routing/http-messages';
import { gauges } from './gauges';
import { RequestDurations } from './request-durations';

const well = {
  healthy: true,
  service: 'image-service',
  version: '1',
  detail: '',
  cpuSeconds: 1.5,
  residentBytes: 4096,
};

describe('metrics', () => {
  it('say which services answer, and nothing of the memory of one that does not', () => {
    const away = { ...well, healthy: false, service: 'volume-service', cpuSeconds: 0, residentBytes: 0 };
    const text = gauges({ services: [well, away], eventListeners: 2 });
    expect(text).toContain('gantry_service_up{service="image-service"} 1\n');
    expect(text).toContain('gantry_service_up{service="volume-service"} 0\n');
    expect(text).toContain('gantry_service_resident_memory_bytes{service="image-service"} 4096\n');
    expect(text).not.toContain('memory_bytes{service="volume-service"}');
    expect(text).toContain('\nengine_daemon_events_subscribers_total 2\n');
    expect(text).not.toContain('engine_daemon_container_states_containers');
  });

  it('say of the engine what dockerd says', () => {
    const node = { ContainersRunning: 2, ContainersStopped: 1, NCPU: 4, MemTotal: 1024 };
    const text = gauges({ services: [], node, eventListeners: 0 });
    expect(text).toContain('engine_daemon_container_states_containers{state="running"} 2\n');
    expect(text).toContain('engine_daemon_container_states_containers{state="paused"} 0\n');
    expect(text).toContain('engine_daemon_engine_cpus_cpus 4\n');
  });

  it('count what succeeded as an action of a container', () => {
    const durations = new RequestDurations();
    for (const statusCode of [201, 404]) {
      const response = Object.assign(new EventEmitter(), { statusCode });
      const request = { method: 'POST', route: '/containers/create' };
      durations.middleware(request as unknown as Request, response as unknown as Response, () => {});
      response.emit('close');
    }
    const text = durations.render();
    expect(text).toContain('engine_daemon_container_actions_seconds_count{action="create"} 1\n');
    expect(text).toContain('route="/containers/create",status="404"} 1\n');
  });
});
