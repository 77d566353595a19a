import { internal } from '@gantry/shared/errors';
import type { NetworkRecord } from '../records/network-record';
import { OPTION } from '../records/network-options';
import type { EndpointSettings } from '../records/sandbox-record';
import { DRIVER_OPTION } from './endpoint-settings';

/** The loopback device, which every namespace has. */
const LOOPBACK = 'lo';

interface Wanted {
  network: Pick<NetworkRecord, 'options'>;
  settings: EndpointSettings;
}

/**
 * What the interfaces of new endpoints are called in their container, in the order given: as was asked for, else the network's
 * prefix and the smallest number that leaves them a name of their own.
 * @param taken by the container's other interfaces
 * @throws Internal in dockerd's words where two would have one name
 */
export function interfaceNames(wanted: readonly Wanted[], taken: readonly string[]): string[] {
  const names = new Set([LOOPBACK, ...taken]);
  for (const { settings } of wanted) {
    const name = nameAskedFor(settings);
    if (name === undefined) continue;
    if (names.has(name)) {
      throw internal(
        `failed to add interface to sandbox: error renaming interface to "${name}": file exists`,
      );
    }
    names.add(name);
  }
  return wanted.map(({ network, settings }) => {
    const name = nameAskedFor(settings) ?? freeName(network.options[OPTION.interfacePrefix] ?? 'eth', names);
    names.add(name);
    return name;
  });
}

const nameAskedFor = ({ DriverOpts }: EndpointSettings): string | undefined =>
  DriverOpts?.[DRIVER_OPTION.interfaceName];

function freeName(prefix: string, names: ReadonlySet<string>): string {
  let number = 0;
  while (names.has(`${prefix}${number}`)) number++;
  return `${prefix}${number}`;
}
