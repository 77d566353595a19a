import { parseNamed } from '../references/reference';
import { matchesReference } from './reference-glob';

test.each([
  ['busybox', 'busybox:1', true],
  ['busybox:1', 'busybox:1', true],
  ['busybox:*', 'busybox:1', true],
  ['busy*', 'busybox:1', true],
  ['*', 'me/app:1', false],
  ['*/*', 'me/app:1', true],
  ['*/*:1', 'me/app:1', true],
  ['b?sybox', 'busybox:1', true],
  ['[a-c]usybox', 'busybox:1', true],
  ['[^b]usybox', 'busybox:1', false],
  ['nonesuch', 'busybox:1', false],
  ['docker.io/library/busybox', 'busybox:1', true],
  ['docker.io/library/busybox:*', 'busybox:1', true],
  ['docker.io/me/app', 'me/app:1', true],
  ['docker.io/busybox', 'busybox:1', false],
  ['[', 'busybox:1', false],
  ['bus.box', 'busybox:1', false],
])('reference=%s on %s: %s', (pattern, name, expected) => {
  expect(matchesReference(pattern, parseNamed(name))).toBe(expected);
});
