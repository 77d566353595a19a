import { checkReport } from './check-report.mjs';

const LINES = [
  { status: 'Reading blobs', id: 'blobs', progressDetail: { current: 1, total: 2 } },
  { kind: 'blob', id: 'sha256:0', problem: 'is corrupt', repaired: true, action: 'written again' },
  { kind: 'layer', id: 'sha256:1', problem: 'is lost', repaired: false, action: 'is in use by a container' },
  { summary: { problems: 2, repaired: 1, left: 1 } },
];

function shown(options: { json?: boolean; terminal?: boolean }, lines: object[]) {
  let text = '';
  const print = (part: string) => void (text += part);
  const report = checkReport({ json: false, terminal: false, ...options, print });
  for (const line of lines) report.line(line);
  return { code: report.end(), text };
}

describe('the report of gantry check', () => {
  it('has a line for each finding and one at the end', () => {
    const { code, text } = shown({}, LINES);
    expect(code).toBe(1);
    expect(text.trimEnd().split('\n')).toEqual([
      'blob sha256:0 is corrupt - written again',
      'layer sha256:1 is lost - not mended: is in use by a container',
      '2 problems, 1 mended, 1 left',
    ]);
  });

  it('moves on a terminal', () => {
    expect(shown({ terminal: true }, LINES).text).toMatch(/^Reading blobs 1\/2\r\x1b\[Kblob sha256:0/);
  });

  it('is what the engine said, as JSON', () => {
    const { text } = shown({ json: true }, LINES);
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual(LINES);
  });

  it('says that nothing is wrong only when the engine has', () => {
    expect(shown({}, [{ summary: { problems: 0, repaired: 0, left: 0 } }])).toEqual({
      code: 0,
      text: 'nothing is wrong\n',
    });
    expect(() => shown({}, [])).toThrow('the engine broke off the check');
    expect(() => shown({}, [{ errorDetail: { message: 'no' }, error: 'no' }])).toThrow('no');
  });
});
