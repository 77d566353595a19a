import type { ContainerRecord } from './container-record';
import { ContainerStore } from './container-store';

const record = (id: string, name: string) => ({ id, name }) as ContainerRecord;

describe('ContainerStore', () => {
  it('lets happen what a full disk does not take, and writes it when there is room', async () => {
    const written: string[] = [];
    let full = true;
    const late: string[] = [];
    const write = async ({ id, name }: ContainerRecord) => {
      if (full) throw new Error('no space left on device');
      written.push(`${id} ${name}`);
    };
    const store = new ContainerStore({ write }, ({ id }) => late.push(id));
    const [one, two, gone] = [record('a', 'old'), record('b', 'b'), record('c', 'c')];
    for (const each of [one, two, gone]) store.add(each);
    await expect(store.persist(one)).rejects.toThrow('no space left');
    for (const each of [one, one, two, gone]) await expect(store.settle(each)).resolves.toBe(false);
    expect(late).toEqual(['a', 'b', 'c']);
    one.name = 'new';
    store.delete(gone);
    full = false;
    while (written.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(written).toEqual(['a new', 'b b']);
    await expect(store.settle(one)).resolves.toBe(true);
  });

  const store = new ContainerStore({ write: async () => {} });
  const [one, two] = [record('aa11', 'web'), record('aa22', 'db')];
  store.add(one);
  store.add(two);

  it('finds by id, name, name with slash and prefix', () => {
    for (const reference of ['aa11', 'web', '/web', 'aa1']) expect(store.resolve(reference)).toBe(one);
  });

  it('says what Docker says', () => {
    expect(() => store.resolve('aa')).toThrow('multiple IDs found with provided prefix: aa');
    expect(() => store.resolve('nope')).toThrow('No such container: nope');
  });

  it('holds a name for one container', () => {
    expect(store.reserveName('web', 'cc33')).toBe('aa11');
    expect(store.reserveName('new', 'cc33')).toBeUndefined();
    store.releaseName('new', 'other');
    expect(store.reserveName('new', 'dd44')).toBe('cc33');
  });
});
