import { PruneTurn } from './prune-turn';

it('is one prune at a time, and the next one after it, however it ended', async () => {
  const turn = new PruneTurn();
  let finish = (): void => {};
  const first = turn.take(() => new Promise<void>((resolve) => (finish = resolve)));
  await expect(turn.take(async () => {})).rejects.toThrow('a prune operation is already running');
  finish();
  await first;
  await expect(turn.take(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await turn.take(async () => 'next')).toBe('next');
});
