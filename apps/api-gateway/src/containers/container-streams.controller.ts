import { Controller, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { LogsRequest, WaitResult } from '@gantry/proto/container';
import { internal, invalidArgument, isKind } from '@gantry/shared/errors';
import { framedByLine, streamContentType } from '../hijack/stream-frames';
import { joinTerminal } from '../hijack/terminal-stream';
import { acceptKey } from '../hijack/websocket-stream';
import { ServiceClients } from '../peers/service-clients';
import type { Request, Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery, ClientGone } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { sendTogether, writeWithBackPressure } from '../streaming/back-pressure';
import { firstMessage } from '../streaming/first-message';
import { sendByteStream } from '../streaming/byte-stream';

const ALL_STREAMS_UNTIL = 42;
const CONDITIONS_SINCE = 30;
const ONE_SHOT_SINCE = 41;
const WAIT_CONDITIONS = ['', 'not-running', 'next-exit', 'removed'];

/** API, tag Container: what stays open while something happens. */
@Controller()
export class ContainerStreamsController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Post('containers/:id/attach')
  async attach(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() apiMinor: number,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await this.join(container, query, { request, response, apiMinor });
  }

  /** Raw whether or not there is a terminal, in binary frames. */
  @Get('containers/:id/attach/ws')
  async attachWebSocket(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() apiMinor: number,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    acceptKey(request);
    await this.join(container, query, { request, response, apiMinor, webSocket: true });
  }

  private async join(
    container: string,
    query: QueryParameters,
    client: Parameters<typeof joinTerminal>[2],
  ): Promise<void> {
    const call = this.services.containers.attach();
    const messages = this.services.messagesOf(call);
    // Before 1.42 a WebSocket had all three streams, whatever was asked for.
    const all = client.webSocket === true && client.apiMinor < ALL_STREAMS_UNTIL;
    call.write({
      message: {
        $case: 'start',
        value: {
          container,
          stdin: all || query.flag('stdin'),
          stdout: all || query.flag('stdout'),
          stderr: all || query.flag('stderr'),
          logs: query.flag('logs'),
          stream: query.flag('stream'),
          detachKeys: query.text('detachKeys'),
        },
      },
    });
    await joinTerminal(call, messages, client);
  }

  @Get('containers/:id/logs')
  async logs(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const stdout = query.flag('stdout');
    const stderr = query.flag('stderr');
    if (!stdout && !stderr) {
      throw invalidArgument("must specify at least one of 'stdout' or 'stderr'");
    }
    const request = {
      container,
      follow: query.flag('follow'),
      stdout,
      stderr,
      since: query.text('since'),
      until: query.text('until'),
      timestamps: query.flag('timestamps'),
      details: query.flag('details'),
      tail: query.text('tail') || 'all',
    };
    if (!request.follow && (await this.sendShortLogs(request, response, minor))) return;
    const messages = this.services.messagesOf(this.services.containers.logs(request, { signal }));
    const { message } = await firstMessage(messages);
    if (message?.$case !== 'started') throw internal('the logs began without their start');
    const { tty } = message.value;
    response.setHeader('Content-Type', streamContentType(tty, minor));
    sendTogether(response);
    response.flushHeaders();
    for await (const next of messages) {
      if (next.message?.$case !== 'output') continue;
      sendTogether(response);
      if (!(await writeWithBackPressure(response, framedByLine(next.message.value, tty)))) return;
    }
    response.end();
  }

  /** Whether they were short. */
  private async sendShortLogs(request: LogsRequest, response: Response, minor: number): Promise<boolean> {
    const { complete, started, output } = await this.services.containers.shortLogs(request);
    if (!complete) return false;
    const tty = started?.tty ?? false;
    response.setHeader('Content-Type', streamContentType(tty, minor));
    response.write(Buffer.concat(output.map((piece) => framedByLine(piece, tty))));
    response.end();
    return true;
  }

  /** The header goes out as soon as the wait is registered: the client starts the container only then. */
  @Post('containers/:id/wait')
  @HttpCode(200)
  async wait(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const condition = minor < CONDITIONS_SINCE ? '' : query.text('condition');
    if (!WAIT_CONDITIONS.includes(condition)) {
      throw invalidArgument(`invalid condition: ${JSON.stringify(condition)}`);
    }
    const registered = () => {
      if (response.headersSent) return;
      response.setHeader('Content-Type', 'application/json');
      response.flushHeaders();
    };
    const { statusCode, error } = await this.endOf({ container, condition }, signal, registered);
    const result =
      error === '' ? { StatusCode: statusCode } : { StatusCode: statusCode, Error: { Message: error } };
    if (!response.headersSent) response.setHeader('Content-Type', 'application/json');
    response.end(`${JSON.stringify(result)}\n`);
  }

  /**
   * Who waits for a container not to run waits on where container-service is started again: its records say what has ended
   * meanwhile. A next end may have passed.
   */
  private async endOf(
    request: { container: string; condition: string },
    signal: AbortSignal,
    registered: () => void,
  ): Promise<WaitResult> {
    const messages = this.services.messagesOf(this.services.containers.wait(request, { signal }));
    let isRegistered = false;
    try {
      let { event } = await firstMessage(messages);
      if (event?.$case === 'registered') {
        isRegistered = true;
        registered();
        ({ event } = await firstMessage(messages));
      }
      if (event?.$case !== 'result') throw internal('the wait ended without a result');
      await messages.return(undefined);
      return event.value;
    } catch (error) {
      const goesOn = isRegistered && ['', 'not-running'].includes(request.condition);
      if (!goesOn || signal.aborted || !isKind(error, 'Unavailable')) throw error;
    }
    return this.endOf(request, signal, registered);
  }

  @Get('containers/:id/stats')
  async stats(
    @Param('id') container: string,
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const stream = query.flag('stream', true);
    const oneShot = minor >= ONE_SHOT_SINCE && query.flag('one-shot');
    if (stream && oneShot) {
      throw invalidArgument('cannot have stream=true and one-shot=true');
    }
    const messages = this.services.messagesOf(
      this.services.containers.stats({ container, stream, oneShot }, { signal }),
    );
    const first = await firstMessage(messages);
    response.setHeader('Content-Type', 'application/json');
    await writeWithBackPressure(response, line(first.json));
    for await (const { json } of messages) {
      if (!(await writeWithBackPressure(response, line(json)))) return;
    }
    response.end();
  }

  @Get('containers/:id/export')
  async export(
    @Param('id') container: string,
    @Res() response: Response,
    @ClientGone() signal: AbortSignal,
  ): Promise<void> {
    const messages = this.services.messagesOf(this.services.containers.export({ container }, { signal }));
    const first = await firstMessage(messages);
    response.setHeader('Content-Type', 'application/octet-stream');
    await sendByteStream(response, first.data, messages, ({ data }) => data);
  }
}

const line = (json: Buffer): Buffer => Buffer.concat([json, Buffer.from('\n')]);
