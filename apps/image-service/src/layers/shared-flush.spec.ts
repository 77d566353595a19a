import { SharedFlush } from './shared-flush';

let ends: { resolve: () => void; reject: (error: Error) => void }[];
let shared: SharedFlush;

beforeEach(() => {
  ends = [];
  shared = new SharedFlush(() => new Promise<void>((resolve, reject) => ends.push({ resolve, reject })));
});

const settled = async (promise: Promise<void>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);

it('answers whoever asks while one is running by the next one, together', async () => {
  const first = shared.reach();
  const [second, third] = [shared.reach(), shared.reach()];
  expect(ends).toHaveLength(1);
  ends[0]?.resolve();
  await first;
  expect(await settled(second)).toBe(false);
  expect(ends).toHaveLength(2);
  ends[1]?.resolve();
  await Promise.all([second, third]);
  const fourth = shared.reach();
  expect(ends).toHaveLength(3);
  ends[2]?.resolve();
  await fourth;
});

it('tells a failure to those it was for and goes on', async () => {
  const first = shared.reach();
  const second = shared.reach();
  ends[0]?.reject(new Error('EIO'));
  await expect(first).rejects.toThrow('EIO');
  expect(await settled(second)).toBe(false);
  ends[1]?.resolve();
  await second;
});
