import { describeImage } from './archived-image';

const configOf = (os: string | undefined) =>
  Buffer.from(JSON.stringify({ os, architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }));

it('takes images for Linux, and those that say nothing', () => {
  for (const os of ['linux', undefined]) expect(describeImage(configOf(os), []).layers).toEqual([]);
});

it('takes none for another system', () => {
  expect(() => describeImage(configOf('windows'), [])).toThrow('cannot load windows image on linux');
});
