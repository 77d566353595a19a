import { parentPort } from 'node:worker_threads';
import type { RelayAnswer, RelayCommand } from './port-relay';
import { relayDatagrams } from './relay-datagrams';
import { relayStreams } from './relay-streams';

/** Opens and closes relays as {@link PortRelay} says. */
const port = parentPort;
if (!port) throw new Error('port-relay.worker runs as a worker thread');
const relays = new Map<string, () => Promise<void>>();

port.on('message', (command: RelayCommand) => {
  if ('open' in command) {
    for (const { key, protocol, ...target } of command.open) {
      relays.set(key, protocol === 'tcp' ? relayStreams(target) : relayDatagrams(target));
    }
    return;
  }
  const closed = command.close.map((key) => {
    const close = relays.get(key);
    relays.delete(key);
    return close?.();
  });
  void Promise.all(closed).then(() => port.postMessage({ turn: command.turn } satisfies RelayAnswer));
});
