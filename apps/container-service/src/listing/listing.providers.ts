import { ContainerListing } from './container-listing';
import { ContainerPrune } from './container-prune';
import { NodeInfo } from './node-info';

export const LISTING_PROVIDERS = [ContainerListing, ContainerPrune, NodeInfo];
