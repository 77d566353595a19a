import { outputTurn } from './output-turns';

const loopTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('outputTurn', () => {
  it('lets the rest of the process in between where many look for output, again and again', async () => {
    let looks = 0;
    let over = false;
    const lookers = Array.from({ length: 100 }, async () => {
      while (!over) {
        await outputTurn();
        looks += 1;
      }
    });
    const between: number[] = [];
    while (looks < 200) {
      const before = looks;
      await loopTurn();
      between.push(looks - before);
    }
    over = true;
    await Promise.all(lookers);
    expect(Math.max(...between)).toBeLessThanOrEqual(32);
  });
});
