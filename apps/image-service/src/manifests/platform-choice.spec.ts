import type { Platform } from '../images/image-config';
import { chooseManifest } from './platform-choice';

const index = (...names: string[]) =>
  names.map((name) => {
    const [os = '', architecture = '', variant] = name.split('/');
    const platform = { os, architecture, ...(variant && { variant }) };
    return { mediaType: 'm', digest: name, size: 1, platform };
  });
const platform = (text: string): Platform => {
  const [os = '', architecture = '', variant = ''] = text.split('/');
  return { os, architecture, variant };
};

test.each([
  ['linux/amd64', ['linux/arm64', 'linux/amd64/v3', 'linux/amd64'], 'linux/amd64'],
  ['linux/amd64', ['linux/386'], 'linux/386'],
  ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v2'],
  ['linux/arm64', ['linux/arm/v7', 'linux/arm64/v8'], 'linux/arm64/v8'],
  ['linux/arm64', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
  ['linux/arm', ['linux/arm/v8', 'linux/arm/v6'], 'linux/arm/v6'],
  ['linux/s390x', ['linux/amd64', 'linux/s390x'], 'linux/s390x'],
  ['linux/amd64', ['unknown/unknown', 'windows/amd64'], undefined],
])('%s of %p is %s', (wanted, present, expected) => {
  expect(chooseManifest(index(...present), platform(wanted))?.digest).toBe(expected);
});
