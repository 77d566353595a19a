import { CONTAINER_DEFAULTS, loadContainerDefaults } from './container-defaults';
import { ContainerCreator } from './container-creator';

export const CREATE_PROVIDERS = [
  { provide: CONTAINER_DEFAULTS, useFactory: () => loadContainerDefaults() },
  ContainerCreator,
];
