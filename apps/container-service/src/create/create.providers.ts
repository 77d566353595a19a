import { ContainerCreator } from './container-creator';

export const CREATE_PROVIDERS = [ContainerCreator];
