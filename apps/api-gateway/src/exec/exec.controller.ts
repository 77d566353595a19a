import { Controller, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { joinTerminal } from '../hijack/terminal-stream';
import { ServiceClients } from '../peers/service-clients';
import type { Request, Response } from '../routing/http-messages';
import type { JsonObjectBody } from '../routing/json-body';
import { ApiMinor, ApiQuery, JsonFields, OptionalJson } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { normalizeExecCreate } from '../shaping/container-requests';
import { firstMessage } from '../streaming/first-message';

/** API, tag Exec. */
@Controller()
export class ExecController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Post('containers/:id/exec')
  async create(
    @Param('id') container: string,
    @ApiMinor() minor: number,
    @JsonFields() body: JsonObjectBody,
  ): Promise<object> {
    const { id } = await this.services.execs.create({ container, config: normalizeExecCreate(body, minor) });
    return { Id: id };
  }

  @Post('exec/:id/start')
  @HttpCode(200)
  async start(
    @Param('id') execId: string,
    @ApiMinor() apiMinor: number,
    @OptionalJson() body: JsonObjectBody | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const options = body?.document ?? {};
    const detach = options['Detach'] === true;
    const tty = options['Tty'] === true;
    const call = this.services.execs.start();
    const messages = this.services.messagesOf(call);
    call.write({
      message: {
        $case: 'start',
        value: { execId, detach, tty, consoleSize: consoleSize(options['ConsoleSize'], tty, apiMinor) },
      },
    });
    if (!detach) {
      await joinTerminal(call, messages, { request, response, apiMinor });
      return;
    }
    call.end();
    await firstMessage(messages);
    await messages.return(undefined);
    response.setHeader('Content-Length', 0);
    response.end();
  }

  @Post('exec/:id/resize')
  @HttpCode(200)
  async resize(@Param('id') target: string, @ApiQuery() query: QueryParameters): Promise<void> {
    await this.services.execs.resize({ target, size: query.terminalSize() });
  }

  @Get('exec/:id/json')
  async inspect(@Param('id') execId: string): Promise<Buffer> {
    return (await this.services.execs.inspect({ execId })).json;
  }
}

/** `[rows, columns]`; API 1.42 and newer, and only with a terminal. */
function consoleSize(given: unknown, tty: boolean, apiMinor: number) {
  if (!tty || apiMinor < 42 || !Array.isArray(given)) return undefined;
  const [rows, columns] = given as unknown[];
  if (typeof rows !== 'number' || typeof columns !== 'number' || rows === 0 || columns === 0)
    return undefined;
  return { rows, columns };
}
