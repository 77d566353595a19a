import { readFileSync } from 'node:fs';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import type { RpcTls } from '../config';
import { setSendBuffer } from '../linux/send-buffer';

/**
 * Node reads nothing from an HTTP/2 connection while a write to it waits. Where both sides wait to write, neither reads, and the
 * connection hangs for good; small messages fill a socket at some 280. The client's writes find room for all that HTTP/2 lets it
 * have on the way (64 KiB of messages, be they of a byte), and for thousands of new streams: it goes on reading. Bytes.
 */
const SEND_BUFFER = 8 * 1024 * 1024;

/** `unix:///path` stays, `tcp://host:port` loses its scheme: what grpc-js takes as a target. */
export function grpcTarget(address: string): string {
  if (address.startsWith('unix://')) return `unix:${address.slice('unix://'.length)}`;
  if (address.startsWith('tcp://')) return address.slice('tcp://'.length);
  throw new Error(`service address ${address} is neither unix:///path nor tcp://host:port`);
}

/** Unix sockets are guarded by their directory's mode; TCP between hosts wants mutual TLS. */
export function serverCredentials(address: string, tls?: RpcTls): ServerCredentials {
  if (address.startsWith('unix://')) return ServerCredentials.createInsecure();
  if (!tls)
    throw new Error(`service address ${address} wants GANTRY_RPC_CA, GANTRY_RPC_CERT and GANTRY_RPC_KEY`);
  return ServerCredentials.createSsl(
    readFileSync(tls.ca),
    [{ private_key: readFileSync(tls.key), cert_chain: readFileSync(tls.cert) }],
    true,
  );
}

export function channelCredentials(address: string, tls?: RpcTls): ChannelCredentials {
  if (address.startsWith('unix://')) return withRoomToWrite(ChannelCredentials.createInsecure());
  if (!tls)
    throw new Error(`service address ${address} wants GANTRY_RPC_CA, GANTRY_RPC_CERT and GANTRY_RPC_KEY`);
  return ChannelCredentials.createSsl(readFileSync(tls.ca), readFileSync(tls.key), readFileSync(tls.cert));
}

function withRoomToWrite(credentials: ChannelCredentials): ChannelCredentials {
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...options) => {
    const connector = create(...options);
    return {
      ...connector,
      connect: (socket) => {
        setSendBuffer(socket, SEND_BUFFER);
        return connector.connect(socket);
      },
    };
  };
  return credentials;
}
