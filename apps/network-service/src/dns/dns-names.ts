import type { EndpointRecord, SandboxRecord } from '../records/sandbox-record';

/** API: EndpointSettings.DNSNames: what a container is called on a network of the user's. */
export function dnsNames(sandbox: SandboxRecord, endpoint: EndpointRecord): string[] {
  const names = [
    sandbox.containerName,
    ...(endpoint.settings.Aliases ?? []),
    sandbox.containerId.slice(0, 12),
    sandbox.hostname,
  ];
  return [...new Set(names)].filter((name) => name !== '');
}
