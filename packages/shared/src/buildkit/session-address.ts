/**
 * Where the session of a build's client can be reached from the gateway's host: the gateway that the client is connected to
 * carries calls to it. Nothing of it is secret.
 */
export interface SessionAddress {
  /** The gateway's unix socket. */
  socket: string;
  /** As the client has named its session. */
  id: string;
}

/** The header that names the session on {@link SessionAddress.socket}. */
export const SESSION_HEADER = 'gantry-session';

/** All that whoever does a build, or the gateway that was asked for it, may ask its client for. */
export const SESSION_CALLS = {
  files: '/moby.filesync.v1.FileSync/DiffCopy',
  credentials: '/moby.filesync.v1.Auth/Credentials',
  uploaded: '/moby.upload.v1.Upload/Pull',
  secret: '/moby.buildkit.secrets.v1.Secrets/GetSecret',
  checkAgent: '/moby.sshforward.v1.SSH/CheckAgent',
  forwardAgent: '/moby.sshforward.v1.SSH/ForwardAgent',
  sendFiles: '/moby.filesync.v1.FileSend/DiffCopy',
  contentInfo: '/containerd.services.content.v1.Content/Info',
  readContent: '/containerd.services.content.v1.Content/Read',
  writeContent: '/containerd.services.content.v1.Content/Write',
} as const;
