import { DetachKeyMatcher, parseDetachKeys } from './detach-keys';

describe('parseDetachKeys', () => {
  it.each([
    ['', [16, 17]],
    ['ctrl-p,ctrl-q', [16, 17]],
    ['ctrl-@,a,DEL', [0, 97, 127]],
    ['ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [27, 28, 29, 30, 31]],
  ])('%j', (keys, bytes) => expect([...parseDetachKeys(keys)]).toEqual(bytes));

  it.each(['ctrl-', 'ctrl-A', 'foo', 'a,,b', 'ü'])('refuses %j', (keys) =>
    expect(() => parseDetachKeys(keys)).toThrow(`Invalid detach keys (${keys}) provided`),
  );
});

describe('DetachKeyMatcher', () => {
  const push = (keys: string, ...inputs: string[]) => {
    const matcher = new DetachKeyMatcher(parseDetachKeys(keys));
    const out = inputs.map((input) => matcher.push(Buffer.from(input, 'latin1')));
    return {
      text: out.map(({ pass }) => pass.toString('latin1')).join(''),
      detached: out.at(-1)?.detached,
      matcher,
    };
  };

  it('passes what is not the sequence', () => {
    expect(push('', 'abc\n')).toMatchObject({ text: 'abc\n', detached: false });
    expect(push('', 'a\x10b')).toMatchObject({ text: 'a\x10b', detached: false });
  });

  it('stops at the sequence, in one piece or in several, and keeps what came before', () => {
    expect(push('', 'x\x10\x11y')).toMatchObject({ text: 'x', detached: true });
    expect(push('', 'x\x10', '\x11')).toMatchObject({ text: 'x', detached: true });
  });

  it('finds a sequence that begins inside a failed one', () => {
    expect(push('a,a,b', 'aaab')).toMatchObject({ text: 'a', detached: true });
    expect(push('', '\x10\x10\x11')).toMatchObject({ text: '\x10', detached: true });
  });

  it('gives back what it held when the input ends', () => {
    const { text, matcher } = push('', 'z\x10');
    expect(text).toBe('z');
    expect(matcher.rest()).toEqual(Buffer.from([16]));
    expect(matcher.rest()).toHaveLength(0);
  });
});
