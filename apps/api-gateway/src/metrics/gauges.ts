import type { HealthStatus } from '@gantry/proto/common';
import type { JsonObject } from '../shaping/json-objects';

/** What is so at the moment of a scrape. `node`: API: SystemInfo of container-service, undefined where that is away. */
export interface Moment {
  services: HealthStatus[];
  node?: JsonObject;
  eventListeners: number;
}

/** Prometheus text: the services, and of the engine what dockerd's metrics say, by the same names. */
export function gauges({ services, node, eventListeners }: Moment): string {
  const of = (value: (service: HealthStatus) => number) =>
    services.map((service): Sample => [`service="${service.service}"`, value(service)]);
  const running = services.filter(({ healthy }) => healthy);
  return [
    metric(
      'gantry_service_up',
      'gauge',
      'Whether the service answers.',
      of(({ healthy }) => Number(healthy)),
    ),
    metric(
      'gantry_service_cpu_seconds_total',
      'counter',
      'Processor time of the service.',
      running.map(({ service, cpuSeconds }) => [`service="${service}"`, cpuSeconds]),
    ),
    metric(
      'gantry_service_resident_memory_bytes',
      'gauge',
      'Resident memory of the service.',
      running.map(({ service, residentBytes }) => [`service="${service}"`, residentBytes]),
    ),
    metric('engine_daemon_events_subscribers_total', 'gauge', 'Clients of this gateway that follow events.', [
      ['', eventListeners],
    ]),
    ...(node ? engine(node) : []),
  ].join('');
}

function engine(node: JsonObject): string[] {
  const states = ['paused', 'running', 'stopped'] as const;
  const key = { paused: 'ContainersPaused', running: 'ContainersRunning', stopped: 'ContainersStopped' };
  return [
    metric(
      'engine_daemon_container_states_containers',
      'gauge',
      'The count of containers in various states.',
      states.map((state) => [`state="${state}"`, Number(node[key[state]] ?? 0)]),
    ),
    metric(
      'engine_daemon_engine_cpus_cpus',
      'gauge',
      'The number of cpus that the host system of the engine has.',
      [['', Number(node['NCPU'] ?? 0)]],
    ),
    metric(
      'engine_daemon_engine_memory_bytes',
      'gauge',
      'The number of bytes of memory that the host system has.',
      [['', Number(node['MemTotal'] ?? 0)]],
    ),
  ];
}

/** Labels as Prometheus writes them, without the braces, and the value. */
type Sample = [labels: string, value: number];

function metric(name: string, type: 'gauge' | 'counter', help: string, samples: Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
}
