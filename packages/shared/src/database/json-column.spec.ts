import { jsonColumn } from './json-column';

describe('jsonColumn', () => {
  it('leaves out what PostgreSQL refuses, in names and values', () => {
    const labels = { 'a\0\0': '\ud800x\udfff', ['\\'.repeat(2)]: ['\0'] };
    expect(jsonColumn(labels)).toEqual({ 'a\ufffd\ufffd': '\ufffdx\ufffd', ['\\'.repeat(2)]: ['\ufffd'] });
  });

  it('keeps everything else', () => {
    const document = {
      pair: '😀',
      tab: '\t\u0001',
      text: '\\u0000',
      more: '\\\\ud800',
      n: [1.5, null, true],
    };
    expect(jsonColumn(document)).toEqual(document);
  });
});
