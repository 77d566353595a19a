import { readFileSync } from 'node:fs';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import type { RpcTls } from '../config';

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
  if (address.startsWith('unix://')) return ChannelCredentials.createInsecure();
  if (!tls)
    throw new Error(`service address ${address} wants GANTRY_RPC_CA, GANTRY_RPC_CERT and GANTRY_RPC_KEY`);
  return ChannelCredentials.createSsl(readFileSync(tls.ca), readFileSync(tls.key), readFileSync(tls.cert));
}
