import { firstFree, rangesIn } from './remap-account.mjs';

const SUBUID = 'ann:100000:65536\n# a comment\nbob:300000:1000\ndockremap:400000:x\n';

it('finds the ranges of one and of all', () => {
  expect(rangesIn(SUBUID, 'ann')).toEqual([{ first: 100_000, count: 65_536 }]);
  expect(rangesIn(SUBUID)).toHaveLength(2);
  expect(rangesIn(SUBUID, 'dockremap')).toEqual([]);
});

it('a new range begins behind all others', () => {
  expect(firstFree([])).toBe(100_000);
  expect(firstFree(rangesIn(SUBUID))).toBe(301_000);
});
