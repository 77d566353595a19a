import { Controller, Inject, Post, Req, Res } from '@nestjs/common';
import type { Socket } from 'node:net';
import { invalidArgument } from '@gantry/shared/errors';
import { hijackable } from '../hijack/hijacked-connection';
import { headerOf, type Request, type Response } from '../routing/http-messages';
import { BuildKitServer } from './buildkit-server';
import { BuildSessions } from './build-sessions';
import { SessionPlaces } from './session-places';
import { SessionRelay } from './session-relay';

const PROTOCOL = 'h2c';

/** API, tag Session: connections on which clients of BuildKit (buildx, Compose) speak gRPC, one way and the other. */
@Controller()
export class BuildKitController {
  constructor(
    @Inject(BuildKitServer) private readonly server: BuildKitServer,
    @Inject(BuildSessions) private readonly sessions: BuildSessions,
    @Inject(SessionRelay) private readonly relay: SessionRelay,
    @Inject(SessionPlaces) private readonly places: SessionPlaces,
  ) {}

  /** The client asks. */
  @Post('grpc')
  control(@Req() request: Request, @Res() response: Response): void {
    this.server.serve(upgraded(request, response));
  }

  /** The client is asked: for its files, credentials and secrets. */
  @Post('session')
  async session(@Req() request: Request, @Res() response: Response): Promise<void> {
    const id = headerOf(request, 'x-docker-expose-session-uuid');
    this.sessions.checkNew(id);
    const socket = upgraded(request, response);
    const served = this.sessions.serve(id, socket);
    try {
      await this.relay.announce(id);
      await served;
    } finally {
      this.places.withdraw(id);
    }
  }
}

/** @throws InvalidArgument, as an ordinary answer, where the client does not ask for HTTP/2 */
function upgraded(request: Request, response: Response): Socket {
  const asked = headerOf(request, 'upgrade');
  if (asked === '') throw invalidArgument('no upgrade proto in request');
  if (asked !== PROTOCOL) throw invalidArgument(`protocol ${asked} not supported`);
  const { socket, early } = hijackable(request, response).open({ upgrade: PROTOCOL });
  if (early.length > 0) socket.unshift(early);
  return socket;
}
