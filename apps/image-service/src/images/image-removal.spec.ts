import { CommitContainer } from '../commit/commit-container';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { ImageNode } from './image-node.fixture';
import { ImageRemoval } from './image-removal';
import { ImageStore } from './image-store';
import { PruneImages } from './prune-images';

const DIGESTS = ['1', '2', '3'].map((digit) => `sha256:${digit.repeat(64)}`);
let node: ImageNode;

beforeAll(async () => {
  node = await ImageNode.start();
}, 60_000);
afterAll(() => node?.stop());
afterEach(() => node.empty());

const store = () => node.app.get(ImageStore);
const name = (familiar: string) => ({ repository: `docker.io/library/${familiar}`, tag: '1' });

/** An image on top of another one, without a container that uses it. */
async function childOf(image: string, repository: string, comment: string): Promise<string> {
  const containerId = await node.prepare(image);
  const { imageId: id } = await node.app.get(CommitContainer).commit({
    ...{ containerId, repository, tag: '1', author: '', comment, changes: [], containerConfig: {} },
  });
  await node.app.get(SnapshotStore).remove(containerId);
  return id;
}

describe('removal of images', () => {
  test('digests of a repository go with its last tag, and a digest by itself', async () => {
    const id = await node.importImage('a:1');
    await store().addDigest(id, 'docker.io/library/a', DIGESTS[0] ?? '');
    await store().addDigest(id, 'docker.io/library/b', DIGESTS[1] ?? '');
    await store().tag(id, { repository: 'docker.io/library/a', tag: '2' });
    expect(await node.remove('a:1')).toEqual([{ Untagged: 'a:1' }]);
    expect(await node.remove('a:2')).toEqual([{ Untagged: 'a:2' }, { Untagged: `a@${DIGESTS[0]}` }]);
    expect((await node.inspect(id)).RepoDigests).toEqual([`b@${DIGESTS[1]}`]);
    expect(await node.remove(`b@${DIGESTS[1]}`)).toMatchObject([
      { Untagged: `b@${DIGESTS[1]}` },
      { Deleted: id },
      {},
    ]);
  });

  test('one tag and digests of its repository are one reference for an id; another repository is not', async () => {
    const id = await node.importImage('a:1');
    await store().addDigest(id, 'docker.io/library/a', DIGESTS[0] ?? '');
    await store().addDigest(id, 'docker.io/library/b', DIGESTS[1] ?? '');
    await expect(node.remove(id)).rejects.toThrow('image is referenced in multiple repositories');
    await node.remove(`b@${DIGESTS[1]}`);
    expect((await node.remove(id.slice(7, 19))).slice(0, 3)).toEqual([
      { Untagged: 'a:1' },
      { Untagged: `a@${DIGESTS[0]}` },
      { Deleted: id },
    ]);
  });

  test('names go in the order of their text, whatever they are', async () => {
    const id = await node.importImage('b:1');
    await store().addDigest(id, 'docker.io/library/a', DIGESTS[0] ?? '');
    await store().tag(id, name('c'));
    expect((await node.remove(id, true)).slice(0, 3)).toEqual([
      { Untagged: `a@${DIGESTS[0]}` },
      { Untagged: 'b:1' },
      { Untagged: 'c:1' },
    ]);
  });

  test('an image that others were made from only loses its name', async () => {
    const base = await node.importImage('base:1');
    await childOf('base:1', 'one', 'first');
    expect(await node.remove('base:1')).toEqual([{ Untagged: 'base:1' }]);
    expect(await node.inspect(base)).toMatchObject({ Id: base, RepoTags: [] });
    await expect(node.remove(base, true)).rejects.toThrow(
      `conflict: unable to delete ${base.slice(7, 19)} (cannot be forced) - image has dependent child images`,
    );
  });

  test('a nameless parent goes with its last child, unless it is to stay', async () => {
    const base = await node.importImage('base:1');
    const one = await childOf('base:1', 'one', 'first');
    const two = await childOf('base:1', 'two', 'second');
    await node.remove('base:1');
    expect(await node.remove('one:1')).toEqual([{ Untagged: 'one:1' }, { Deleted: one }]);
    const kept = await node.app.get(ImageRemoval).remove('two:1', { force: false, prune: false });
    expect(kept.items.slice(0, 2)).toEqual([{ Untagged: 'two:1' }, { Deleted: two }]);
    expect(await node.inspect(base)).toMatchObject({ Id: base });
    expect(await node.remove(base)).toMatchObject([{ Deleted: base }, {}]);
  });

  test('a container keeps its image against its last name, and not against one of several', async () => {
    const id = await node.importImage('a:1');
    await store().tag(id, name('b'));
    await node.prepare('a:1');
    expect(await node.remove('a:1')).toEqual([{ Untagged: 'a:1' }]);
    await expect(node.remove('b:1')).rejects.toThrow('is using its referenced image');
    // With force the name goes; so does the image, whose container does not run.
    expect(await node.remove('b:1', true)).toEqual([{ Untagged: 'b:1' }, { Deleted: id }]);
  });

  test('a running container keeps its image, not its name', async () => {
    const id = await node.importImage('a:1');
    const container = await node.prepare('a:1');
    node.app.get(SnapshotStore).mount(container);
    expect(await node.remove('a:1', true)).toEqual([{ Untagged: 'a:1' }]);
    expect(await node.inspect(id)).toMatchObject({ Id: id, RepoTags: [] });
  });

  test('of another platform than the image is for, nothing goes', async () => {
    const id = await node.importImage('a:1');
    const { Os: os, Architecture: architecture } = await node.inspect('a:1');
    const removal = node.app.get(ImageRemoval);
    const options = { force: false, prune: true };
    const other = { os, architecture: 'nonesuch', variant: '' };
    const own = { os, architecture, variant: '' };
    await expect(removal.remove('a:1', { ...options, platforms: [own, other] })).rejects.toMatchObject({
      kind: 'NotFound',
    });
    expect((await node.inspect(id)).RepoTags).toEqual(['a:1']);
    expect((await removal.remove('a:1', { ...options, platforms: [own] })).items).toHaveLength(3);
  });

  test('a prune tells what goes while it goes, and ends when nobody listens', async () => {
    await node.importImage('a:1', { changes: ['LABEL n=1'] });
    await node.importImage('b:1', { changes: ['LABEL n=2'] });
    const gone = new AbortController();
    const told: unknown[] = [];
    const report = await node.app.get(PruneImages).prune(new Map([['dangling', ['false']]]), {
      onItem: async (item) => {
        told.push(item);
        gone.abort();
      },
      signal: gone.signal,
    });
    expect(told).toEqual(report.ImagesDeleted);
    expect(await node.list()).toHaveLength(1);
  });
});
