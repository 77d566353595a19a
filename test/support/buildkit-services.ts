import {
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  BytesMessage,
  CheckAgentRequest,
  GetSecretRequest,
  GetSecretResponse,
  Packet,
  Packet_PacketType as PacketType,
  Stat,
} from '@gantry/proto/session';
import { type ContentStores, offerContent, offerCredentials } from './client-content';

/** What a client of BuildKit offers besides its files. */
export interface ClientServices {
  secrets: Record<string, string>;
  /** The SSH agents, each of which answers in upper case. */
  agents: string[];
  contents: ContentStores;
  /** `user:secret` by registry. */
  credentials: Record<string, string>;
}

const bytes = (message: BytesMessage) => Buffer.from(BytesMessage.encode(message).finish());
const stream = (path: string) => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: bytes,
  requestDeserialize: (message: Buffer) => BytesMessage.decode(message),
  responseSerialize: bytes,
  responseDeserialize: (message: Buffer) => BytesMessage.decode(message),
});
const packets = (path: string) => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: (packet: Packet) => Buffer.from(Packet.encode(packet).finish()),
  requestDeserialize: (message: Buffer) => Packet.decode(message),
  responseSerialize: (packet: Packet) => Buffer.from(Packet.encode(packet).finish()),
  responseDeserialize: (message: Buffer) => Packet.decode(message),
});
/** Of os.FileMode. */
const GO_TYPE = 0x8f280000;
const GET_SECRET = {
  path: '/moby.buildkit.secrets.v1.Secrets/GetSecret',
  requestStream: false,
  responseStream: false,
  requestSerialize: (request: GetSecretRequest) => Buffer.from(GetSecretRequest.encode(request).finish()),
  requestDeserialize: (message: Buffer) => GetSecretRequest.decode(message),
  responseSerialize: (answer: GetSecretResponse) => Buffer.from(GetSecretResponse.encode(answer).finish()),
  responseDeserialize: (message: Buffer) => GetSecretResponse.decode(message),
};
const CHECK_AGENT = {
  path: '/moby.sshforward.v1.SSH/CheckAgent',
  requestStream: false,
  responseStream: false,
  requestSerialize: (request: CheckAgentRequest) => Buffer.from(CheckAgentRequest.encode(request).finish()),
  requestDeserialize: (message: Buffer) => CheckAgentRequest.decode(message),
  responseSerialize: () => Buffer.alloc(0),
  responseDeserialize: () => ({}),
};

export interface ReceivedFile {
  path: string;
  /** Go's os.FileMode. */
  mode: number;
  linkname: string;
  content: string;
}

/** fsutil's Receive: asks for the content of each file when it has heard of all. */
function receiveFiles(call: ServerDuplexStream<Packet, Packet>, files: ReceivedFile[]): void {
  const send = (packet: Partial<Packet>) => call.write(Packet.fromPartial(packet));
  let missing = 0;
  call.on('data', ({ type, stat, id, data }: Packet) => {
    if (type === PacketType.PACKET_STAT && stat.length > 0) {
      const { path, mode, linkname } = Stat.decode(stat);
      files.push({ path, mode, linkname, content: '' });
    } else if (type === PacketType.PACKET_STAT) {
      for (const [index, { mode, linkname }] of files.entries()) {
        if ((mode & GO_TYPE) !== 0 || linkname !== '') continue;
        missing += 1;
        send({ type: PacketType.PACKET_REQ, id: index });
      }
    } else if (type === PacketType.PACKET_DATA && data.length > 0) {
      const file = files[id];
      if (file) file.content += data.toString();
    } else if (type === PacketType.PACKET_DATA) {
      missing -= 1;
      if (missing === 0) send({ type: PacketType.PACKET_FIN });
    } else if (type === PacketType.PACKET_FIN) call.end();
  });
  call.on('error', () => {}); // the build has failed
}

/** Secrets, SSH agents and a place for what is built. */
export class OfferedServices {
  private readonly parts: Buffer[] = [];
  /** What was sent for a directory. */
  readonly files: ReceivedFile[] = [];

  /** `takesFiles`: each by itself (fsutil), else an archive. */
  constructor(
    private readonly services: Partial<ClientServices>,
    private readonly takesFiles: boolean,
  ) {}

  /** The archive that was sent. */
  received(): Buffer {
    return Buffer.concat(this.parts);
  }

  addTo(server: Server): void {
    const { secrets, agents, contents, credentials } = this.services;
    if (contents) offerContent(server, contents);
    if (credentials) offerCredentials(server, credentials);
    if (secrets) server.addService({ getSecret: GET_SECRET }, { getSecret: giveSecret(secrets) });
    if (agents) {
      server.addService(
        { checkAgent: CHECK_AGENT, forwardAgent: stream('/moby.sshforward.v1.SSH/ForwardAgent') },
        { checkAgent: checkAgent(agents), forwardAgent: answerInUpperCase },
      );
    }
    const path = '/moby.filesync.v1.FileSend/DiffCopy';
    if (this.takesFiles) {
      return server.addService(
        { diffCopy: packets(path) },
        { diffCopy: (call: ServerDuplexStream<Packet, Packet>) => receiveFiles(call, this.files) },
      );
    }
    server.addService(
      { diffCopy: stream(path) },
      {
        diffCopy: (call: ServerDuplexStream<BytesMessage, BytesMessage>) => {
          call.on('data', ({ data }: BytesMessage) => this.parts.push(data));
          call.once('end', () => call.end());
        },
      },
    );
  }
}

const giveSecret =
  (secrets: Record<string, string>) =>
  (
    { request }: ServerUnaryCall<GetSecretRequest, GetSecretResponse>,
    answer: sendUnaryData<GetSecretResponse>,
  ) => {
    const value = secrets[request.id];
    if (value === undefined) answer({ code: status.NOT_FOUND, details: `secret ${request.id} not found` });
    else answer(null, { data: Buffer.from(value) });
  };

const checkAgent =
  (agents: string[]) =>
  ({ request }: ServerUnaryCall<CheckAgentRequest, object>, answer: sendUnaryData<object>) => {
    if (agents.includes(request.id)) answer(null, {});
    else answer({ code: status.UNKNOWN, details: `unset ssh forward key ${request.id}` });
  };

function answerInUpperCase(call: ServerDuplexStream<BytesMessage, BytesMessage>): void {
  call.on('data', ({ data }: BytesMessage) => {
    call.write({ data: Buffer.from(data.toString().toUpperCase()) });
  });
  call.once('end', () => call.end());
  call.on('error', () => {}); // the builder has gone
}
