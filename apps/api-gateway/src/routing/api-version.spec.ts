import { supportedMinor } from './api-version';

describe('API versions', () => {
  it('takes all from 1.22 to 1.56', () => {
    expect(supportedMinor('1.22')).toBe(22);
    expect(supportedMinor('1.56')).toBe(56);
  });

  it('refuses the others in Docker’s words', () => {
    expect(() => supportedMinor('1.99')).toThrow(
      'client version 1.99 is too new. Maximum supported API version is 1.56',
    );
    expect(() => supportedMinor('2.0')).toThrow('too new');
    expect(() => supportedMinor('1.10')).toThrow(
      'client version 1.10 is too old. Minimum supported API version is 1.22, please upgrade your client to a newer version',
    );
    expect(() => supportedMinor('1.21')).toThrow('too old');
  });
});
