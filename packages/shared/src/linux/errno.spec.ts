import { SystemError, hasCode } from './errno';

describe('hasCode', () => {
  it.each([
    [new SystemError(122, 'write'), true],
    // What node:fs makes of an errno that libuv does not know.
    [
      Object.assign(new Error('Unknown system error -122'), {
        code: 'Unknown system error -122',
        errno: -122,
      }),
      true,
    ],
    [Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 }), false],
    [new Error('EDQUOT'), false],
    [undefined, false],
  ])('knows a used up quota: %s', (error, expected) => expect(hasCode(error, 'EDQUOT')).toBe(expected));
});
