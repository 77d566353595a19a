import type { ContainerConfig, HostConfig } from '../records/api-documents';
import { requestedEndpoints } from './endpoints';

describe('the endpoints of a new container', () => {
  const requested = (NetworkMode: string, given?: Record<string, object | null>) =>
    Object.keys(
      requestedEndpoints({ Hostname: '' } as ContainerConfig, { NetworkMode } as HostConfig, {
        EndpointsConfig: given,
      }),
    );

  it.each([
    ['bridge', undefined, ['bridge']],
    ['bridge', {}, ['bridge']],
    ['bridge', { default: null }, ['bridge']],
    ['bridge', { a: {} }, ['a']],
    ['a', { b: {}, a: {} }, ['a', 'b']],
    ['none', undefined, ['none']],
    ['container:x', undefined, []],
  ])('of mode %s with %j are %j', (mode, given, expected) => {
    expect(requested(mode, given)).toEqual(expected);
  });

  it('of a network of the host are none besides', () => {
    expect(() => requested('host', { a: {} })).toThrow(
      'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
    );
  });
});
