import { UsageRecord } from '@gantry/proto/buildkit';
import { matcherOf } from './cache-filters';

const records = [
  { id: 'abc', description: 'RUN a', recordType: 'regular', shared: true },
  { id: 'abd', description: 'RUN b', recordType: 'exec.cachemount', inUse: true },
].map((record) => UsageRecord.fromPartial(record));
const found = (...filters: string[]) => records.filter(matcherOf(filters)).map(({ id }) => id);

it.each([
  [[], ['abc', 'abd']],
  [[''], ['abc', 'abd']],
  [['id~=ab'], ['abc', 'abd']],
  [['id==ab'], []],
  [['id==abc'], ['abc']],
  [['id!=abc'], ['abd']],
  [['type==exec.cachemount'], ['abd']],
  [['description=="RUN a"'], ['abc']],
  [['inuse'], ['abd']],
  [['shared'], ['abc']],
  [['private,id~=^abd$'], ['abd']],
  [['private,id==abc'], []],
  [
    ['id==abc', 'inuse'],
    ['abc', 'abd'],
  ],
])('%j', (filters, ids) => {
  expect(found(...filters)).toEqual(ids);
});

it.each(['nonesuch==x', 'id=x', 'constructor', 'id~=('])('refuses %s', (filter) => {
  expect(() => matcherOf([filter])).toThrow(/filter/);
});
