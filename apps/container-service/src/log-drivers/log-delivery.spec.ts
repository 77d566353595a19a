import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@gantry/shared/logging';
import { MonitorLogFiles } from '../logs/monitor-log-files';
import { LogDelivery } from './log-delivery';
import type { LogSink } from './log-driver';

describe('a delivery', () => {
  const directory = mkdtempSync(join(tmpdir(), 'delivery-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('has caught up with a run that is over when its last line, which has no end, is there too', async () => {
    const log = join(directory, 'container.log');
    writeFileSync(log, '2026-11-28T17:50:44.086567158+00:00 stdout P no newline\n');
    const steps: string[] = [];
    let endRun = () => {};
    const sink: LogSink = {
      take: async () => void steps.push('taken'),
      runEnded: () =>
        new Promise((resolve) => {
          steps.push('ending');
          endRun = resolve;
        }),
      close: async () => {},
      state: () => ({}),
    };
    const delivery = await LogDelivery.begin(
      new MonitorLogFiles(log),
      join(directory, 'state.json'),
      { open: async () => sink, buffer: Infinity, takesFilesAway: false, isHeld: () => false },
      createLogger('test', 'fatal'),
    );
    await delivery.caughtUp();
    expect(steps).toEqual(['taken']);
    delivery.finish();
    const caughtUp = delivery.caughtUp().then(() => steps.push('caught up'));
    while (!steps.includes('ending')) await new Promise(setImmediate);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    expect(steps).toEqual(['taken', 'ending']);
    endRun();
    await Promise.all([caughtUp, delivery.done.then(() => steps.push('done'))]);
    expect(steps).toEqual(['taken', 'ending', 'caught up', 'done']);
  });
});
