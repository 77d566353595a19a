import {
  familiar,
  familiarRepository,
  parseAny,
  parseNamed,
  parseRepositoryAndTag,
  withDefaultTag,
} from './reference';

const hex = 'a'.repeat(64);
const digest = `sha256:${hex}`;

describe('image references', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox', undefined, undefined, 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox', '1.36', undefined, 'busybox:1.36'],
    ['library/busybox', 'docker.io/library/busybox', undefined, undefined, 'busybox'],
    ['docker.io/busybox', 'docker.io/library/busybox', undefined, undefined, 'busybox'],
    ['index.docker.io/library/busybox:x', 'docker.io/library/busybox', 'x', undefined, 'busybox:x'],
    ['me/app', 'docker.io/me/app', undefined, undefined, 'me/app'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', undefined, undefined, 'library/a/b'],
    ['localhost/app', 'localhost/app', undefined, undefined, 'localhost/app'],
    ['localhost:5000/app:v1', 'localhost:5000/app', 'v1', undefined, 'localhost:5000/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app', undefined, undefined, '[::1]:5000/app'],
    ['reg.io/a__b/c--d.e', 'reg.io/a__b/c--d.e', undefined, undefined, 'reg.io/a__b/c--d.e'],
    [`busybox@${digest}`, 'docker.io/library/busybox', undefined, digest, `busybox@${digest}`],
    [`busybox:1@${digest}`, 'docker.io/library/busybox', '1', digest, `busybox:1@${digest}`],
    ['Host/app', 'Host/app', undefined, undefined, 'Host/app'],
  ])('%s', (text, repository, tag, itsDigest, shown) => {
    const parsed = parseNamed(text);
    expect(parsed).toEqual({ repository, tag, digest: itsDigest });
    expect(familiar(parsed)).toBe(shown);
  });

  test.each([
    ['', 'invalid reference format'],
    ['Bad', 'invalid reference format: repository name (library/Bad) must be lowercase'],
    ['me/Bad:1', 'invalid reference format: repository name (me/Bad) must be lowercase'],
    ['a:', 'invalid reference format'],
    ['a:b:c', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    [`a:${'t'.repeat(129)}`, 'invalid reference format'],
    ['a@sha256:abc', 'invalid reference format'],
    [`a@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`a@md9:${hex}`, 'unsupported digest algorithm'],
    [hex, `invalid repository name (${hex}), cannot specify 64-byte hexadecimal strings`],
    ['a'.repeat(256), 'repository name must not be more than 255 characters'],
  ])('refuses %s', (text, message) => {
    expect(() => parseNamed(text)).toThrow(message);
  });

  test('whole ids are ids, prefixes are names', () => {
    expect(parseAny(hex)).toEqual({ kind: 'id', digest });
    expect(parseAny(digest)).toEqual({ kind: 'id', digest });
    expect(parseAny('sha256:abcdef')).toMatchObject({ kind: 'named' });
    expect(parseAny('abcdef')).toMatchObject({ kind: 'named' });
  });

  test('repository and tag as two parameters', () => {
    expect(parseRepositoryAndTag('a', '')).toMatchObject({ tag: 'latest' });
    expect(parseRepositoryAndTag('a:1', '')).toMatchObject({ tag: '1' });
    expect(parseRepositoryAndTag('a', '2')).toMatchObject({ tag: '2' });
    expect(() => parseRepositoryAndTag('a', '!')).toThrow('invalid tag format');
    expect(withDefaultTag({ repository: 'x/y' })).toMatchObject({ tag: 'latest' });
    expect(familiarRepository('quay.io/a')).toBe('quay.io/a');
  });
});
