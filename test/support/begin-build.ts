import { request, type ClientRequest } from 'node:http';

/** Begins a build and resolves when it has said a line that begins with `words`; destroying the request hangs up on it. */
export async function beginBuild(socketPath: string, context: Buffer, words: string): Promise<ClientRequest> {
  const client = request({
    socketPath,
    method: 'POST',
    path: '/build',
    headers: { 'content-type': 'application/x-tar', 'content-length': context.length },
  });
  client.on('error', () => {});
  client.end(context);
  await new Promise<void>((resolve) => {
    client.once('response', (response) => {
      let text = '';
      response.on('error', () => {});
      response.on('data', (part: Buffer) => {
        text += part.toString();
        if (text.includes(`{"stream":"${words}`)) resolve();
      });
    });
  });
  return client;
}
