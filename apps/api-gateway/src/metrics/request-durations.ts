import type { NextFunction, Request, Response } from '../routing/http-messages';

/** Upper bounds of the histogram. Seconds. */
const BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What dockerd's metrics count as an action of a container. */
const ACTIONS: Record<string, string> = {
  'POST /containers/create': 'create',
  'POST /containers/:id/start': 'start',
  'DELETE /containers/:id': 'delete',
  'POST /commit': 'commit',
  'GET /containers/:id/changes': 'changes',
};

interface Series {
  count: number;
  sum: number;
  /** Requests no longer than the bound of the same index. */
  buckets: number[];
}

/**
 * Counts and times requests by method, route and status. Its own few lines instead of a metrics library, which is loaded
 * only where somebody scrapes.
 */
export class RequestDurations {
  private readonly series = new Map<string, Series>();
  private readonly actions = new Map<string, Series>();

  readonly middleware = (request: Request, response: Response, next: NextFunction): void => {
    const start = performance.now();
    response.once('close', () => {
      const { method, route: name = 'none' } = request;
      const { statusCode } = response;
      const seconds = (performance.now() - start) / 1000;
      record(this.series, `method="${method}",route="${name}",status="${statusCode}"`, seconds);
      const action = ACTIONS[`${method} ${name}`];
      if (action !== undefined && statusCode < 300) record(this.actions, `action="${action}"`, seconds);
    });
    next();
  };

  /** Prometheus text exposition format. */
  render(): string {
    return (
      histogram('gantry_http_request_duration_seconds', 'Requests to the Engine API.', this.series) +
      histogram(
        'engine_daemon_container_actions_seconds',
        'Container actions, as dockerd names them.',
        this.actions,
      )
    );
  }
}

function histogram(name: string, help: string, all: ReadonlyMap<string, Series>): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const [labels, { count, sum, buckets }] of all) {
    BOUNDS.forEach((bound, i) => lines.push(`${name}_bucket{${labels},le="${bound}"} ${buckets[i]}`));
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
    lines.push(`${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`);
  }
  return `${lines.join('\n')}\n`;
}

function record(all: Map<string, Series>, labels: string, seconds: number): void {
  let series = all.get(labels);
  if (!series) {
    series = { count: 0, sum: 0, buckets: BOUNDS.map(() => 0) };
    all.set(labels, series);
  }
  series.count++;
  series.sum += seconds;
  for (let i = BOUNDS.length - 1; i >= 0 && seconds <= (BOUNDS[i] ?? 0); i--) series.buckets[i]!++;
}
