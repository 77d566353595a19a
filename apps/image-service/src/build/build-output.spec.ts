import { BuildOutput } from './build-output';

const MIB = 'x'.repeat(1024 * 1024);

describe('BuildOutput', () => {
  it('makes a command wait that writes more than is taken, until it is', async () => {
    const taken: unknown[] = [];
    const output = new BuildOutput(async (lines) => void taken.push(...lines));
    expect(output.command('stdout', 'short')).toBeUndefined();
    const room = output.command('stdout', MIB);
    expect(room).toBeInstanceOf(Promise);
    output.open();
    await room;
    await output.flush();
    expect(taken).toEqual([{ stream: 'short' }, { stream: MIB }]);
    expect(output.command('stdout', 'short')).toBeUndefined();
  });

  it('makes nobody wait for who takes nothing any more', async () => {
    const output = new BuildOutput(() => Promise.reject(new Error('redis is away')));
    const room = output.command('stdout', MIB);
    output.open();
    await room;
    expect(output.command('stdout', MIB)).toBeUndefined();
    await expect(output.flush()).rejects.toThrow('redis is away');
  });
});
