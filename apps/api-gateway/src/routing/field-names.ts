/** Every field of the requests' documents (API: the schemas of all bodies), as it is spelled. */
const FIELDS = `
  Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd Healthcheck
  ArgsEscaped Image Volumes WorkingDir Entrypoint NetworkDisabled MacAddress OnBuild Labels StopSignal StopTimeout Shell
  HostConfig NetworkingConfig EndpointsConfig
  Test Interval Timeout Retries StartPeriod StartInterval
  CpuShares Memory CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps
  BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus CpusetMems Devices
  DeviceCgroupRules DeviceRequests KernelMemory KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness NanoCpus
  OomKillDisable Init PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth Binds ContainerIDFile LogConfig
  NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom Mounts ConsoleSize Annotations CapAdd CapDrop
  CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links OomScoreAdj PidMode Privileged
  PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode UsernsMode ShmSize Sysctls Runtime Isolation MaskedPaths
  ReadonlyPaths Umask
  Path Weight Rate PathOnHost PathInContainer CgroupPermissions Driver Count DeviceIDs Capabilities Options Name Soft Hard
  Type Config HostIp HostPort MaximumRetryCount Target Source ReadOnly Consistency BindOptions VolumeOptions ImageOptions
  TmpfsOptions Propagation NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive NoCopy DriverConfig
  Subpath SizeBytes Mode
  IPAMConfig IPv4Address IPv6Address LinkLocalIPs Aliases DriverOpts GwPriority NetworkID EndpointID Gateway IPAddress
  IPPrefixLen IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen DNSNames
  DetachKeys Detach ClusterVolumeSpec Spec
  Scope Internal Attachable Ingress ConfigOnly ConfigFrom Network IPAM EnableIPv4 EnableIPv6 Subnet IPRange
  AuxiliaryAddresses Container EndpointConfig Force
  username password auth email serveraddress identitytoken registrytoken
`
  .trim()
  .split(/\s+/);

const EXACT = new Set(FIELDS);
const BY_LOWER_CASE = new Map(FIELDS.map((name) => [name.toLowerCase(), name]));

/** What is in them has names that the client chose. `Config` of a log driver is one, `Config` of IPAM is a list. */
const OPAQUE = new Set(
  'ExposedPorts Volumes Labels Annotations StorageOpt Tmpfs Sysctls Options DriverOpts Config AuxiliaryAddresses'.split(
    ' ',
  ),
);
/** The names in them are the client's, the values are documents of the API. */
const NAMED = new Set(['PortBindings', 'EndpointsConfig']);

/**
 * Spells the fields of a request's document as the API does, in place: Go, which clients are written against, takes them in any
 * case, and a null for none at all. Says whether any was spelled another way.
 */
export function spellFieldNames(document: Record<string, unknown>): boolean {
  let changed = false;
  for (const [given, value] of Object.entries(document)) {
    if (value === null) {
      delete document[given];
      changed = true;
      continue;
    }
    const name = EXACT.has(given) ? given : (BY_LOWER_CASE.get(given.toLowerCase()) ?? given);
    if (name !== given) {
      delete document[given];
      document[name] = value;
      changed = true;
    }
    for (const below of documentsIn(name, value)) changed = spellFieldNames(below) || changed;
  }
  return changed;
}

function documentsIn(name: string, value: unknown): Record<string, unknown>[] {
  if (value === null || typeof value !== 'object') return [];
  if (Array.isArray(value)) return value.flatMap((element) => documentsIn('', element));
  if (OPAQUE.has(name)) return [];
  return NAMED.has(name)
    ? Object.values(value).flatMap((element) => documentsIn('', element))
    : [value as Record<string, unknown>];
}
