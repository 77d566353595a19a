import { DEFAULT_REGISTRY } from './registry-session';
import type { ImageSettings } from '../image-settings';

/** As dockerd: always taken for registries of this host. */
const LOOPBACK = ['::1/128', '127.0.0.0/8'];

/** API: RegistryServiceConfig. */
export function registryDocument({ insecureRegistries, mirrors }: ImageSettings): object {
  const subnets = insecureRegistries.filter((registry) => registry.includes('/'));
  const hosts = insecureRegistries.filter((registry) => !registry.includes('/'));
  const index = (Name: string) => ({ Name, Mirrors: [] as string[], Secure: false, Official: false });
  return {
    InsecureRegistryCIDRs: [...new Set([...subnets, ...LOOPBACK])],
    IndexConfigs: {
      ...Object.fromEntries(hosts.map((host) => [host, index(host)])),
      [DEFAULT_REGISTRY]: { ...index(DEFAULT_REGISTRY), Mirrors: mirrors, Secure: true, Official: true },
    },
    Mirrors: mirrors,
  };
}
