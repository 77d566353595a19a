import { ContainerNetworks } from './container-networks';
import { LinkRemoval } from './link-removal';

export const NETWORKS_PROVIDERS = [ContainerNetworks, LinkRemoval];
