import { SeccompProfiles } from './seccomp-profile';
import { SpecBuilder } from './spec-builder';

export const SPEC_PROVIDERS = [SeccompProfiles, SpecBuilder];
