import { KeyedLock } from './keyed-lock';

describe('KeyedLock', () => {
  const lock = new KeyedLock();
  const gate = () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    return { opened, open };
  };

  it('does one thing after the other for a key, also after one that failed, and others meanwhile', async () => {
    const { opened, open } = gate();
    const seen: string[] = [];
    const first = lock.hold('a', async () => {
      seen.push('first begins');
      await opened;
      throw new Error('first fails');
    });
    expect(seen).toEqual(['first begins']);
    const second = lock.hold('a', () => seen.push('second'));
    await lock.hold('b', () => seen.push('other key'));
    expect(seen).toEqual(['first begins', 'other key']);
    open();
    await expect(first).rejects.toThrow('first fails');
    await second;
    expect(seen).toEqual(['first begins', 'other key', 'second']);
  });

  it('hands on what is thrown at once', async () => {
    const action = () => {
      throw new Error('at once');
    };
    await expect(lock.hold('a', action)).rejects.toThrow('at once');
    await expect(lock.hold('a', () => 1)).resolves.toBe(1);
  });
});
