// The systemd units of an instance.
import { join } from 'node:path';

/** @param {string} instance */
export const unitName = (instance) => (instance === 'gantry' ? 'gantry' : `gantry-${instance}`);

/**
 * systemd holds the sockets: they are there before the engine is, and stay while it is restarted or upgraded.
 * @param {import('../instance/names.mjs').InstanceNames} names
 * @param {{sockets: string[], group: string}} options paths beside the instance's own, and who may use them
 */
export function socketUnit(names, { sockets, group }) {
  return `[Unit]
Description=API sockets of Gantry (${names.name})

[Socket]
${[join(names.runDir, 'docker.sock'), ...sockets].map((path) => `ListenStream=${path}`).join('\n')}
SocketMode=0660
SocketUser=root
SocketGroup=${group}
DirectoryMode=0755

[Install]
WantedBy=sockets.target
`;
}

/**
 * @param {import('../instance/names.mjs').InstanceNames} names
 * @param {{release: string, node: string}} options
 */
export function serviceUnit(names, { release, node }) {
  const unit = unitName(names.name);
  const options = `--instance ${names.name}`;
  return `[Unit]
Description=Gantry, a Docker Engine (${names.name})
Wants=network-online.target
After=network-online.target nss-lookup.target
Requires=${unit}.socket
After=${unit}.socket

[Service]
Type=notify
NotifyAccess=all
Environment=GANTRY_NO_INSTALL=1
ExecStart=${node} ${release}/scripts/start.mjs ${options}
ExecReload=${node} ${release}/scripts/gantry.mjs restart ${options}
# The monitors of containers are in this unit's group and stay.
KillMode=process
Delegate=yes
Restart=always
RestartSec=2
TimeoutStartSec=infinity
TimeoutStopSec=90
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`;
}
