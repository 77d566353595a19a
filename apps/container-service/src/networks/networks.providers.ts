import { ContainerNetworks } from './container-networks';

export const NETWORKS_PROVIDERS = [ContainerNetworks];
