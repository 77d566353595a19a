import { invalidArgument } from '@gantry/shared/errors';
import type { DeviceRequest, HostConfig } from '../records/api-documents';

/** `--gpus`, and what else is asked for by capability. @throws InvalidArgument in Docker's words. */
export function checkDeviceRequests({ DeviceRequests }: HostConfig): void {
  for (const request of DeviceRequests ?? []) throw noDriver(request);
}

function noDriver({ Driver, Capabilities }: DeviceRequest): Error {
  const sets = (Capabilities ?? []).map((set) => `[${set.join(' ')}]`).join(' ');
  return invalidArgument(
    `could not select device driver ${JSON.stringify(Driver ?? '')} with capabilities: [${sets}]`,
  );
}
