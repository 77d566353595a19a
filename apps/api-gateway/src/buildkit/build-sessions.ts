import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { conflict, notFound } from '@gantry/shared/errors';
import { SessionConnection, SESSION_HEADER } from '@gantry/shared/buildkit';
import { SessionPlaces } from './session-places';

/** A client opens its session beside its build: the one may arrive before the other. Milliseconds. */
const ARRIVAL_MS = 5_000;

/** How often it is looked for at other gateways meanwhile. Milliseconds. */
const LOOK_MS = 10;

/** The sessions of clients of BuildKit (API: Session), by the id that they gave themselves. */
@Injectable()
export class BuildSessions implements OnModuleDestroy {
  private readonly connected = new Map<string, SessionConnection>();

  constructor(@Inject(SessionPlaces) private readonly places: SessionPlaces) {}

  /** @throws Conflict where there is one of this id */
  checkNew(id: string): void {
    if (this.connected.has(id)) throw conflict(`session ${id} already exists`);
  }

  /** Settles when the client has gone. */
  async serve(id: string, socket: Socket): Promise<void> {
    const connection = new SessionConnection(socket);
    this.connected.set(id, connection);
    await connection.closed;
    this.connected.delete(id);
  }

  /** One that is connected to this gateway. */
  connectedAs(id: string): SessionConnection | undefined {
    return this.connected.get(id);
  }

  /**
   * Whichever gateway of this host it is connected to.
   * @throws NotFound when it does not arrive
   */
  async use<T>(id: string, run: (session: SessionConnection) => Promise<T>): Promise<T> {
    const deadline = performance.now() + ARRIVAL_MS;
    for (;;) {
      const own = this.connected.get(id);
      if (own) return run(own);
      const socket = this.places.socketOf(id);
      if (socket !== undefined) {
        const elsewhere = new SessionConnection(connect(socket), { [SESSION_HEADER]: id });
        return await run(elsewhere).finally(() => elsewhere.close());
      }
      if (performance.now() > deadline) throw notFound(`no active session for ${id}`);
      await sleep(LOOK_MS);
    }
  }

  onModuleDestroy(): void {
    for (const connection of this.connected.values()) connection.close();
  }
}
