import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { VersionedRequest } from './api-version';
import { readFormBody } from './form-body';
import type { Response } from './http-messages';
import { readJsonBody, readJsonFields, requireJsonBody } from './json-body';
import { QueryParameters } from './query-parameters';

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<VersionedRequest>();

/** QueryParameters */
export const ApiQuery = createParamDecorator(async (_: unknown, context: ExecutionContext) => {
  const request = requestOf(context);
  return new QueryParameters(request.url, await readFormBody(request));
});

/** The minor number of the API version that the client speaks. */
export const ApiMinor = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).apiMinor,
);

/** JsonObjectBody | undefined */
export const OptionalJson = createParamDecorator((_: unknown, context: ExecutionContext) =>
  readJsonBody(requestOf(context)),
);

/** JsonObjectBody, without fields where the client sent none */
export const JsonFields = createParamDecorator((_: unknown, context: ExecutionContext) =>
  readJsonFields(requestOf(context)),
);

/** JsonObjectBody */
export const RequiredJson = createParamDecorator((_: unknown, context: ExecutionContext) =>
  requireJsonBody(requestOf(context)),
);

/** The name in `images/*name/json`, slashes and all. */
export const ImageName = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const name = (requestOf(context).params as Record<string, string | string[]>)['name'] ?? '';
  return Array.isArray(name) ? name.join('/') : name;
});

/** An AbortSignal: the client went away or says no more, which Go takes for the same, or got its whole answer. */
export const ClientGone = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const controller = new AbortController();
  const gone = () => controller.abort();
  const { socket } = requestOf(context);
  socket.once('end', gone);
  context
    .switchToHttp()
    .getResponse<Response>()
    .once('close', () => {
      socket.removeListener('end', gone);
      gone();
    });
  return controller.signal;
});
