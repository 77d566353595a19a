import { RecordingLinux } from '@gantry/shared/linux';
import { layerLimit } from './storage-options';

describe('layerLimit', () => {
  const limitOn = (available: boolean) => (options: Record<string, string>) =>
    layerLimit(new RecordingLinux().answer('quotas', 'available', available), '/layers', options);
  const unsupported = "--storage-opt is supported only for overlay over xfs with 'pquota' mount option";

  it.each([
    [{}, 0],
    [{ size: '0' }, 0],
    [{ size: '10G' }, 10 * 2 ** 30],
    [{ Size: '1.5 mb' }, 1.5 * 2 ** 20],
    [{ size: '4096' }, 4096],
  ])('of %j is %d bytes', (options, bytes) => {
    expect(limitOn(true)(options as Record<string, string>)).toBe(bytes);
  });

  it.each([
    [true, { size: 'abc' }, "invalid size: 'abc'"],
    [true, { size: '-1' }, "invalid size: '-1'"],
    [true, { Foo: '1' }, 'Unknown option Foo'],
    [false, { foo: '1' }, 'Unknown option foo'],
    [false, { size: 'abc' }, unsupported],
    [false, { foo: '1', size: '1M' }, unsupported],
  ])('with quotas %s refuses %j', (available, options, error) => {
    expect(() => limitOn(available)(options as Record<string, string>)).toThrow(error);
  });
});
