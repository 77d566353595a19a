import { pruneReport } from './prune-answer';

const reported = (document: object) =>
  pruneReport(Promise.resolve({ json: Buffer.from(JSON.stringify(document)) }));

it('says null where nothing went, but for volumes', async () => {
  expect(await reported({ ContainersDeleted: [], SpaceReclaimed: 0 })).toEqual({
    ContainersDeleted: null,
    SpaceReclaimed: 0,
  });
  expect(await reported({ VolumesDeleted: [] })).toEqual({ VolumesDeleted: [] });
  expect(await reported({ NetworksDeleted: ['a'] })).toEqual({ NetworksDeleted: ['a'] });
});
