import { Injectable } from '@nestjs/common';
import { internal, invalidArgument, messageOf } from '@gantry/shared/errors';
import type { OciSpec } from '@gantry/shared/oci';
import type { DeviceRequest, HostConfig } from '../records/api-documents';
import { injectDevices } from './cdi-edits';
import { CdiRegistry, type CdiDevice } from './cdi-registry';

/** The kind under which NVIDIA's toolkit describes what `--gpus` means. */
const GPU_KIND = 'nvidia.com/gpu';

/** `--device vendor.com/class=name` and `--gpus`: devices that the Container Device Interface describes. */
@Injectable()
export class DeviceRequests {
  constructor(private readonly registry: CdiRegistry) {}

  /** @throws InvalidArgument and Internal in Docker's words. */
  addTo(spec: OciSpec, { DeviceRequests }: HostConfig): void {
    if (!DeviceRequests?.length) return;
    const { devices } = this.registry.read();
    const names = [...new Set(DeviceRequests.flatMap((request) => namesOf(request, devices)))];
    const missing = names.filter((name) => !devices.has(name));
    if (missing.length > 0) {
      throw internal(`CDI device injection failed: unresolvable CDI devices ${missing.join(', ')}`);
    }
    try {
      injectDevices(
        spec,
        names.flatMap((name) => devices.get(name) ?? []),
      );
    } catch (error) {
      throw internal(`CDI device injection failed: ${messageOf(error)}`, error);
    }
  }
}

function namesOf(request: DeviceRequest, devices: Map<string, CdiDevice>): string[] {
  const { Driver = '', Count = 0, Options } = request;
  if (Driver === 'cdi') {
    if (Count !== 0) throw invalidArgument('unexpected count in CDI device request');
    if (Object.keys(Options ?? {}).length > 0) {
      throw invalidArgument('unexpected options in CDI device request');
    }
    return request.DeviceIDs ?? [];
  }
  const forGpu = Driver === 'nvidia' || (Driver === '' && wants(request, 'gpu'));
  const known = [...devices.keys()].some((name) => name.startsWith(`${GPU_KIND}=`));
  if (!forGpu || !known) throw noDriver(request);
  return gpuIds(request).map((id) => `${GPU_KIND}=${id}`);
}

/** A set of capabilities has to be there as a whole; of the sets one is enough. */
function wants({ Capabilities }: DeviceRequest, capability: string): boolean {
  return (Capabilities ?? []).some((set) => set.includes(capability));
}

function gpuIds({ Count = 0, DeviceIDs }: DeviceRequest): string[] {
  if (DeviceIDs?.length) {
    if (Count !== 0) throw invalidArgument('cannot set both Count and DeviceIDs on device request');
    return DeviceIDs;
  }
  return Count < 0 ? ['all'] : Array.from({ length: Count }, (_, index) => String(index));
}

function noDriver({ Driver, Capabilities }: DeviceRequest): Error {
  const sets = (Capabilities ?? []).map((set) => `[${set.join(' ')}]`).join(' ');
  return invalidArgument(
    `could not select device driver ${JSON.stringify(Driver ?? '')} with capabilities: [${sets}]`,
  );
}
