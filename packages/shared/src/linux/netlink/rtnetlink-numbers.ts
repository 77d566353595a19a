/** Numbers of rtnetlink(7), from the kernel's linux/rtnetlink.h, if_link.h and if_addr.h. */

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
} as const;

export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  PROTINFO: 12,
  LINKINFO: 18,
  IFALIAS: 20,
  STATS64: 23,
  NET_NS_FD: 28,
  LINK_NETNSID: 37,
  GSO_MAX_SIZE: 41,
  GSO_IPV4_MAX_SIZE: 63,
} as const;

export const IFLA_INFO = { KIND: 1, DATA: 2 } as const;

export const IFLA_BRPORT = { MODE: 4, ISOLATED: 33 } as const;

export const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;

export const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, TABLE: 15 } as const;

export const RT_SCOPE = { UNIVERSE: 0, LINK: 253, HOST: 254 } as const;
