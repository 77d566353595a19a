import type { Socket } from 'node:net';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { conflict, notFound } from '@gantry/shared/errors';
import { SessionConnection } from '@gantry/shared/buildkit';

/** A client opens its session beside its build: the one may arrive before the other. Milliseconds. */
const ARRIVAL_MS = 5_000;

/** The sessions of clients of BuildKit that are connected to this gateway (API: Session), by the id that they gave themselves. */
@Injectable()
export class BuildSessions implements OnModuleDestroy {
  private readonly connected = new Map<string, SessionConnection>();
  private readonly awaited = new Map<string, Set<() => void>>();

  /** @throws Conflict where there is one of this id */
  checkNew(id: string): void {
    if (this.connected.has(id)) throw conflict(`session ${id} already exists`);
  }

  /** Settles when the client has gone. */
  async serve(id: string, socket: Socket): Promise<void> {
    const connection = new SessionConnection(socket);
    this.connected.set(id, connection);
    this.awaited.get(id)?.forEach((arrived) => arrived());
    await connection.closed;
    this.connected.delete(id);
  }

  connectedAs(id: string): SessionConnection | undefined {
    return this.connected.get(id);
  }

  /** @throws NotFound when it does not arrive */
  async find(id: string): Promise<SessionConnection> {
    const known = this.connected.get(id);
    if (known) return known;
    const waiters = this.awaited.get(id) ?? new Set();
    this.awaited.set(id, waiters);
    await new Promise<void>((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        waiters.delete(over);
        if (waiters.size === 0) this.awaited.delete(id);
        resolve();
      };
      const timer = setTimeout(over, ARRIVAL_MS);
      waiters.add(over);
    });
    const arrived = this.connected.get(id);
    if (!arrived) throw notFound(`no active session for ${id}`);
    return arrived;
  }

  onModuleDestroy(): void {
    for (const connection of this.connected.values()) connection.close();
  }
}
