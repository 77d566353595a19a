import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pidOf } from './engine';

/** One more process of a service, as README says: its own program with the instance's environment and another address. */
export async function byHand(service: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const environment = Object.fromEntries(
    readFileSync(`/proc/${pidOf('gateway')}/environ`, 'utf8')
      .split('\0')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const child = spawn(process.execPath, [join(__dirname, '..', '..', 'apps', service, 'dist', 'main.js')], {
    env: { ...environment, NODE_CHANNEL_FD: undefined, ...env },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const [message] = (await once(child, 'message')) as [{ ready?: boolean }];
  if (!message.ready) throw new Error(`${service} is not ready`);
  return child;
}
