import type { InstanceConfig } from '@gantry/shared/config';
import type { Logger } from '@gantry/shared/logging';
import type { NetworkThread } from '../kernel/network-thread';
import type { PublishedPort } from '../records/sandbox-record';
import { FirewallService } from './firewall.service';
import type { RulesetWatch } from './ruleset-watch';

it('puts the table right a few times, however many commands fail because it is not as it was', async () => {
  let reconciled = 0;
  const stack = {
    firewall: async () => {
      throw new Error('No such file or directory');
    },
    reconcileFirewall: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return (reconciled += 1);
    },
  };
  const firewall = new FirewallService(
    { nftTable: 't' } as InstanceConfig,
    { warn: () => undefined } as unknown as Logger,
    { stack } as unknown as NetworkThread,
    {} as RulesetWatch,
  );
  const port = (hostPort: number): PublishedPort => ({
    protocol: 'tcp',
    containerPort: 80,
    hostIp: '0.0.0.0',
    hostPort,
    address: '10.0.0.2',
  });
  await Promise.all(Array.from({ length: 100 }, (_, index) => firewall.unpublish([port(index + 1)])));
  expect(reconciled).toBeGreaterThan(0);
  expect(reconciled).toBeLessThan(5);
});
