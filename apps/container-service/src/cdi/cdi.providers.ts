import { CdiRegistry } from './cdi-registry';
import { DeviceRequests } from './device-requests';

export const CDI_PROVIDERS = [CdiRegistry, DeviceRequests];
