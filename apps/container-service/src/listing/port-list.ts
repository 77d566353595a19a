import type { ContainerRecord } from '../records/container-record';

/** API: PortSummary. */
export interface PortSummary {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: string;
}

/** What a running container publishes and what it only exposes. */
export function portList({ state, networkSettings }: ContainerRecord): PortSummary[] {
  if (!state.Running) return [];
  return Object.entries(networkSettings.Ports ?? {}).flatMap(([port, bindings]) => {
    const [number = '', protocol = 'tcp'] = port.split('/');
    const base = { PrivatePort: Number(number), Type: protocol };
    if (!bindings?.length) return [base];
    return bindings.map(({ HostIp, HostPort }) => ({
      IP: HostIp || '0.0.0.0',
      PrivatePort: base.PrivatePort,
      PublicPort: Number(HostPort),
      Type: protocol,
    }));
  });
}
