import { httpStatusOf } from '@gantry/shared/errors';
import { connectionError, engineErrorOf, pullError, reasonOf, registryErrorOf } from './registry-errors';

const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED', address: '127.0.0.1', port: 1 });

describe('what a registry does wrong, in the words and with the status of dockerd 29.9', () => {
  it.each([
    ['GET', 'http://localhost:1/v2/x/manifests/1', 'Get "http://localhost:1/v2/"'],
    ['HEAD', 'http://localhost:1/v2/x/blobs/y', 'Get "http://localhost:1/v2/"'],
    ['GET', 'https://localhost:1/v1/search?q=x&n=25', 'Get "https://localhost:1/v1/search?q=x&n=25"'],
  ])('%s %s is refused', (method, url, words) => {
    const error = connectionError(method, new URL(url), refused);
    expect(error.message).toBe(`${words}: dial tcp 127.0.0.1:1: connect: connection refused`);
    expect(httpStatusOf(error)).toBe(500);
  });

  it.each([
    [429, 'nope', 'toomanyrequests: nope', 429],
    [500, 'nope', 'received unexpected HTTP status: 500 Internal Server Error', 500],
    [503, '', 'received unexpected HTTP status: 503 Service Unavailable', 500],
    [404, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', 'manifest unknown: manifest unknown', 404],
  ])('%s %s', (status, body, message, answer) => {
    const error = engineErrorOf(registryErrorOf(status, body));
    expect(error).toMatchObject({ message });
    expect(httpStatusOf(error)).toBe(answer);
    expect(httpStatusOf(pullError(registryErrorOf(status, body), 'x', 'x:1'))).toBe(answer);
  });

  it.each([
    ['ENOTFOUND', 'dial tcp: lookup registry.example: no such host'],
    ['EAI_AGAIN', 'dial tcp: lookup registry.example: Temporary failure in name resolution'],
  ])('a name that cannot be looked up: %s', (code, words) => {
    const failed = Object.assign(new Error(`getaddrinfo ${code} registry.example`), { code });
    expect(reasonOf(new URL('https://registry.example:5001/v2/'), failed)).toBe(words);
  });
});
