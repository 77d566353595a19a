import { AppArmorProfiles } from './apparmor-profiles';
import { SeccompProfiles } from './seccomp-profile';
import { SpecBuilder } from './spec-builder';

export const SPEC_PROVIDERS = [AppArmorProfiles, SeccompProfiles, SpecBuilder];
