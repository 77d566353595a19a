import { connect } from 'node:net';
import { BytesMessage, CheckAgentRequest, GetSecretRequest, GetSecretResponse } from '@gantry/proto/session';
import { invalidArgument, isKind } from '@gantry/shared/errors';
import {
  type Metadata,
  type SessionAddress,
  type SessionCall,
  SessionConnection,
  SESSION_CALLS,
  SESSION_HEADER,
} from '@gantry/shared/buildkit';
import { ClientContent } from './client-content';

/** The metadata that names an SSH agent (BuildKit, session/sshforward). */
const AGENT_ID = 'buildkit.ssh.id';

/** The metadata that names a content store (BuildKit, session/content). */
const STORE_ID = 'buildkit-attachable-store-id';
/** Bytes; as of a registry. */
const MAX_DOCUMENT = 32 * 1024 * 1024;

/** What a build asks the client that wants it for, through the gateway that the client is connected to. */
export class ClientSession {
  private opened: SessionConnection | undefined;

  /** `address` undefined: the client has none, or none that can be reached. */
  constructor(private readonly address: SessionAddress | undefined) {}

  /** undefined: the client has no such secret. @throws EngineError what the client says */
  async secret(id: string): Promise<Buffer | undefined> {
    if (!this.address) return undefined;
    try {
      const request = GetSecretRequest.encode({ id }).finish();
      const answer = await this.connection().ask(SESSION_CALLS.secret, request, this.metadata());
      return GetSecretResponse.decode(answer).data;
    } catch (error) {
      if (isKind(error, 'NotFound') || isKind(error, 'NotImplemented')) return undefined;
      throw error;
    }
  }

  /** @throws InvalidArgument where the client forwards no such SSH agent, in BuildKit's words */
  async checkAgent(id: string): Promise<void> {
    const none = invalidArgument(`no SSH key ${JSON.stringify(id)} forwarded from the client`);
    if (!this.address) throw none;
    try {
      const request = CheckAgentRequest.encode({ id }).finish();
      await this.connection().ask(SESSION_CALLS.checkAgent, request, this.metadata());
    } catch (error) {
      throw isKind(error, 'NotImplemented') ? none : error;
    }
  }

  /** A connection to an SSH agent; messages are {@link BytesMessage}. */
  agent(id: string): SessionCall {
    return this.connection().open(SESSION_CALLS.forwardAgent, { ...this.metadata(), [AGENT_ID]: id });
  }

  /** Takes what a build has made: {@link BytesMessage}, or fsutil's packets. @throws InvalidArgument where nobody does */
  files(): SessionCall {
    if (!this.address) throw invalidArgument('the client of the build takes no files');
    return this.connection().open(SESSION_CALLS.sendFiles, this.metadata());
  }

  /** A content store that the client offers under this name. @throws InvalidArgument where it offers nothing */
  content(store: string): ClientContent {
    if (!this.address) throw invalidArgument(`the client of the build has no content store ${store}`);
    const open = (path: string) => this.connection().open(path, { ...this.metadata(), [STORE_ID]: store });
    return new ClientContent(open, MAX_DOCUMENT);
  }

  close(): void {
    this.opened?.close();
  }

  private connection(): SessionConnection {
    this.opened ??= new SessionConnection(connect(this.address?.socket ?? ''));
    return this.opened;
  }

  private metadata(): Metadata {
    return { [SESSION_HEADER]: this.address?.id ?? '' };
  }
}

export const bytesOf = (message: Buffer): Buffer => BytesMessage.decode(message).data;
export const bytesMessage = (data: Buffer): Uint8Array => BytesMessage.encode({ data }).finish();
