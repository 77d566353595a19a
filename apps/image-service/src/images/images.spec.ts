import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineEvent } from '@gantry/shared/events';
import type { Member } from '@gantry/shared/tar';
import { tarOf } from '@gantry/shared/tar';
import type { TestingModule } from '@nestjs/testing';
import { CommitContainer } from '../commit/commit-container';
import { ImageDatabase } from '../database/image-database';
import { ExportImages } from '../export/export-images';
import { LoadImages } from '../load/load-images';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { ImageNode } from './image-node.fixture';
import { ImageStore } from './image-store';
import { InspectImage } from './inspect-image';
import { PruneImages } from './prune-images';

let node: ImageNode;
let app: TestingModule;
let dataRoot: string;
let events: EngineEvent[];

beforeAll(async () => {
  node = await ImageNode.start();
  ({ app, dataRoot, events } = node);
}, 60_000);
afterAll(() => node?.stop());
afterEach(() => node.empty());

const list = (filters: Record<string, string[]> = {}) => node.list(filters);
const remove = (name: string, force = false) => node.remove(name, force);
const inspect = (name: string) => node.inspect(name);
const importImage = (name: string, more: { changes?: string[]; members?: Member[] } = {}) =>
  node.importImage(name, more);
const prepare = (image: string) => node.prepare(image);

describe('images', () => {
  test('found by name, id, and beginnings of the id', async () => {
    // No name that an id could begin with.
    const id = await importImage('named:1', { changes: ['LABEL x=y'] });
    for (const name of [
      'named:1',
      'docker.io/library/named:1',
      id,
      id.slice(7),
      id.slice(7, 19),
      id.slice(0, 15),
    ]) {
      expect((await inspect(name)).Id).toBe(id);
    }
    await expect(inspect('named')).rejects.toThrow('No such image: named:latest');
    await expect(inspect('named:2')).rejects.toMatchObject({
      kind: 'NotFound',
      message: 'No such image: named:2',
    });
    await expect(inspect('0'.repeat(64))).rejects.toThrow(`No such image: sha256:${'0'.repeat(64)}`);
  });

  test('the list and its filters', async () => {
    const a = await importImage('a:1', { changes: ['LABEL x=y'] });
    const b = await importImage('b:1', { changes: ['LABEL z=w'] });
    const ids = async (filters: Record<string, string[]>) => (await list(filters)).map((image) => image.Id);
    expect(await ids({})).toEqual([b, a]);
    expect(await ids({ reference: ['a:*'] })).toEqual([a]);
    expect(await ids({ label: ['x=y'] })).toEqual([a]);
    expect(await ids({ since: ['a:1'] })).toEqual([b]);
    expect(await ids({ before: ['b:1'] })).toEqual([a]);
    expect(await ids({ dangling: ['true'] })).toEqual([]);
    await expect(ids({ nonsense: ['1'] })).rejects.toThrow("invalid filter 'nonsense'");
  });

  test('a name is untagged, the image goes with the last one', async () => {
    const id = await importImage('a:1');
    await app.get(ImageStore).tag(id, { repository: 'docker.io/library/b', tag: '2' });
    await expect(remove(id.slice(7, 19))).rejects.toMatchObject({
      kind: 'Conflict',
      message: `conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
    });
    expect(await remove('b:2')).toEqual([{ Untagged: 'b:2' }]);
    const items = await remove('a:1');
    expect(items.slice(0, 2)).toEqual([{ Untagged: 'a:1' }, { Deleted: id }]);
    expect(items).toHaveLength(3);
    expect(events.map((event) => event.Action)).toEqual(['tag', 'import', 'tag', 'untag', 'untag', 'delete']);
    expect(readdirSync(join(dataRoot, 'image/blobs/sha256'))).toEqual([]);
  });

  test('by id with force all names go', async () => {
    const id = await importImage('a:1');
    await app.get(ImageStore).tag(id, { repository: 'docker.io/library/b', tag: '2' });
    expect(await remove(id, true)).toMatchObject([
      { Untagged: 'a:1' },
      { Untagged: 'b:2' },
      { Deleted: id },
      {},
    ]);
  });

  test('in use by a container, stopped and running', async () => {
    const id = await importImage('a:1');
    const short = id.slice(7, 19);
    const container = await prepare('a:1');
    await expect(remove('a:1')).rejects.toThrow(
      `conflict: unable to remove repository reference "a:1" (must force) - ` +
        `container ${container.slice(0, 12)} is using its referenced image ${short}`,
    );
    await expect(remove(short)).rejects.toThrow(
      `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${container.slice(0, 12)}`,
    );
    app.get(SnapshotStore).mount(container);
    await expect(remove(short, true)).rejects.toThrow(
      `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${container.slice(0, 12)}`,
    );
    app.get(SnapshotStore).unmount(container);
    expect(await remove(short, true)).toEqual([{ Untagged: 'a:1' }, { Deleted: id }]);
    // The container's layers outlive the image, and go with the container.
    app.get(SnapshotStore).mount(container);
    expect(existsSync(join(app.get(SnapshotDirectories).rootfs(container), 'seed'))).toBe(true);
    await app.get(SnapshotStore).remove(container);
    expect(await app.get(ImageDatabase).layer.count()).toBe(0);
  });

  test('a container starts with no changes; what it does shows, and becomes an image', async () => {
    const base = await importImage('a:1');
    const container = await prepare('a:1');
    const { rootfs } = app.get(SnapshotStore).mount(container);
    expect(existsSync(join(rootfs, 'etc/resolv.conf'))).toBe(true);
    expect(app.get(SnapshotStore).changes(container)).toEqual([]);
    writeFileSync(join(rootfs, 'etc/new'), 'new');
    rmSync(join(rootfs, 'seed'));
    expect(app.get(SnapshotStore).changes(container)).toEqual([
      { Path: '/etc', Kind: 0 },
      { Path: '/etc/new', Kind: 1 },
      { Path: '/seed', Kind: 2 },
    ]);
    const { imageId: id } = await app.get(CommitContainer).commit({
      containerId: container,
      repository: 'c',
      tag: '',
      author: 'me',
      comment: 'msg',
      changes: ['ENV A=1'],
      containerConfig: { Cmd: ['sh'], Env: ['B=2'] },
    });
    expect(await inspect('c')).toMatchObject({
      Id: id,
      Parent: base,
      Author: 'me',
      Comment: 'msg',
      Config: { Cmd: ['sh'], Env: ['B=2', 'A=1'] },
    });
    const second = await prepare('c');
    const mounted = app.get(SnapshotStore).mount(second).rootfs;
    expect(existsSync(join(mounted, 'seed'))).toBe(false);
    expect(existsSync(join(mounted, 'etc/new'))).toBe(true);
    await expect(remove(base, true)).rejects.toThrow('image has dependent child images');
  });

  test('a container that changed nothing adds no layer to its image', async () => {
    const base = await inspect(await importImage('a:1'));
    const containerId = await prepare('a:1');
    const options = { containerId, repository: 'c', tag: '1', author: '', comment: '', changes: [] };
    await app.get(CommitContainer).commit({ ...options, containerConfig: {} });
    expect((await inspect('c:1')).RootFS).toEqual(base.RootFS);
    expect(await app.get(InspectImage).history('c:1', undefined)).toMatchObject([{ Size: 0 }, { Size: 1 }]);
    expect(await app.get(ImageDatabase).layer.count()).toBe(1);
  });

  test('saved, removed and loaded it is the same image', async () => {
    const id = await importImage('a:1', { changes: ['CMD ["x"]'] });
    const path = join(dataRoot, 'saved.tar');
    const save = async (): Promise<Buffer> => {
      const parts: Buffer[] = [];
      const exporting = app.get(ExportImages);
      for await (const part of exporting.write(await exporting.resolve(['a:1'])))
        parts.push(Buffer.from(part));
      return Buffer.concat(parts);
    };
    const archive = await save();
    expect((await save()).equals(archive)).toBe(true);
    writeFileSync(path, archive);
    await remove('a:1');
    const lines: unknown[] = [];
    const load = () =>
      app
        .get(LoadImages)
        .load(
          path,
          { quiet: true, platforms: [] },
          async (line) => void lines.push(line),
          new AbortController().signal,
        );
    await Promise.all([load(), load()]);
    expect(lines).toEqual([{ stream: 'Loaded image: a:1\n' }, { stream: 'Loaded image: a:1\n' }]);
    expect((await inspect('a:1')).Id).toBe(id);
    expect(await app.get(ImageDatabase).layer.count()).toBe(1);
  });

  test('a layer that is not what its image says moves no name and leaves nothing', async () => {
    const id = await importImage('a:1');
    const path = join(dataRoot, 'lying.tar');
    const config = { rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] } };
    writeFileSync(
      path,
      tarOf([
        {
          name: 'manifest.json',
          type: 'file',
          data: JSON.stringify([{ Config: 'c', RepoTags: ['a:1'], Layers: ['l'] }]),
        },
        { name: 'c', type: 'file', data: JSON.stringify(config) },
        { name: 'l', type: 'file', data: tarOf([{ name: 'x', type: 'file' }]) },
      ]),
    );
    const load = app
      .get(LoadImages)
      .load(path, { quiet: true, platforms: [] }, async () => {}, new AbortController().signal);
    await expect(load).rejects.toMatchObject({ kind: 'InvalidArgument' });
    expect((await inspect('a:1')).Id).toBe(id);
    const temporary = readdirSync(join(dataRoot, 'overlay2')).filter((name) => name.startsWith('.tmp-'));
    expect(temporary).toEqual([]);
  });

  test('prune takes what has no name, and with dangling=false all that no container uses', async () => {
    const first = await importImage('a:1', { changes: ['LABEL n=1'] });
    await importImage('a:1', {
      changes: ['LABEL n=2'],
      members: [{ name: 'other', type: 'file', data: '12345' }],
    });
    const used = await importImage('used:1', { changes: ['LABEL n=3'] });
    await prepare('used:1');
    const pruned = await app.get(PruneImages).prune(new Map());
    expect(pruned).toMatchObject({ ImagesDeleted: [{ Deleted: first }], SpaceReclaimed: 0 });
    const all = await app.get(PruneImages).prune(new Map([['dangling', ['false']]]));
    expect(all.SpaceReclaimed).toBe(5);
    expect((await list()).map((image) => image.Id)).toEqual([used]);
  });
});
