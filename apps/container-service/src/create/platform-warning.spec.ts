import { platformWarning } from './platform-warning';

it.each([
  [{ os: 'linux', architecture: 'arm64', variant: 'v8' }, 'x64', 'linux/arm64/v8'],
  [{ architecture: 'amd64' }, 'arm64', 'linux/amd64'],
])('warns of an image for another host: %j on %s', (image, processor, platform) => {
  expect(platformWarning(image, processor)).toContain(
    `The requested image's platform (${platform}) does not match`,
  );
});

it.each([
  [{ architecture: 'amd64' }, 'x64'],
  [{ architecture: '386' }, 'x64'],
  [{ architecture: 'arm', variant: 'v7' }, 'arm64'],
  [{}, 'x64'],
])('does not of %j on %s', (image, processor) => {
  expect(platformWarning(image, processor)).toBeUndefined();
});
