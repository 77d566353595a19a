import type { ContainerRecord } from './container-record';
import { ContainerStore } from './container-store';

const record = (id: string, name: string) => ({ id, name }) as ContainerRecord;

describe('ContainerStore', () => {
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
