import { parseJsonObject } from '../routing/json-body';
import { losesBytesBehindHead, withLogDriverOf } from './client-needs';

const body = (document: object) => parseJsonObject(Buffer.from(JSON.stringify(document)));
const created = (userAgent: string | undefined, document: object) =>
  JSON.parse(withLogDriverOf(userAgent, body(document)).bytes.toString());

it('gives containers of docker-py the log driver that it reads', () => {
  expect(created('docker-sdk-python/7.1.0', { Image: 'a' })).toEqual({
    Image: 'a',
    HostConfig: { LogConfig: { Type: 'json-file' } },
  });
  const given = { HostConfig: { Privileged: true, LogConfig: { Type: '', Config: { 'max-file': '2' } } } };
  expect(created('docker-sdk-python/7.1.0', given)).toEqual({
    HostConfig: { Privileged: true, LogConfig: { Type: 'json-file', Config: { 'max-file': '2' } } },
  });
});

it('leaves a driver that is named, and other clients alone', () => {
  const named = { HostConfig: { LogConfig: { Type: 'none' } } };
  expect(created('docker-sdk-python/7.1.0', named)).toEqual(named);
  const given = body({ Image: 'a' });
  expect(withLogDriverOf('Docker-Client/28.2.2 (linux)', given)).toBe(given);
  expect(withLogDriverOf(undefined, given)).toBe(given);
});

it('knows who loses what comes along with a head', () => {
  expect(losesBytesBehindHead('docker-sdk-python/7.1.0')).toBe(true);
  expect(losesBytesBehindHead('Docker-Client/28.2.2 (linux)')).toBe(false);
});
