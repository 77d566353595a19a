import { progressBar, ProgressLines } from './progress-lines';

describe('progress lines', () => {
  it('are in order, and counts that come too fast are left out', async () => {
    const told: unknown[] = [];
    const lines = new ProgressLines(async (line) => void told.push(line));
    lines.message('hello');
    lines.status('a', 'Waiting');
    for (const current of [1, 2, 3, 4]) lines.count('a', 'Pushing', current, 4);
    lines.aux({ Tag: 'x' });
    await lines.flush();
    expect(told).toEqual([
      { status: 'hello' },
      { status: 'Waiting', progressDetail: {}, id: 'a' },
      expect.objectContaining({ status: 'Pushing', progressDetail: { current: 1, total: 4 } }),
      expect.objectContaining({ status: 'Pushing', progressDetail: { current: 4, total: 4 } }),
      { progressDetail: {}, aux: { Tag: 'x' } },
    ]);
  });

  it('tell who flushes what went wrong', async () => {
    const lines = new ProgressLines(async () => {
      throw new Error('away');
    });
    lines.message('hello');
    await expect(lines.flush()).rejects.toThrow('away');
  });

  it.each([
    [512, 1024, `[${'='.repeat(25)}>${' '.repeat(25)}]     512B/1.024kB`],
    [1_234_567, 1_234_567, `[${'='.repeat(50)}>]  1.235MB/1.235MB`],
    [10, 5, `[${'='.repeat(50)}>]      10B`],
    [1_999_900_000, 0, '     2GB'],
  ])('%i of %i is %s', (current, total, bar) => expect(progressBar(current, total)).toBe(bar));
});
