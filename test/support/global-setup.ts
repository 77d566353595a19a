import { randomBytes } from 'node:crypto';
import { busyboxRootfs } from './busybox-image';
import { EngineClient } from './engine-client';
import { TestInstance } from './test-instance';

declare global {
  var engineUnderTest: TestInstance | undefined;
}

/** One instance for all end-to-end tests, with the image `busybox:latest`; its place is in the environment. */
export default async function globalSetup(): Promise<void> {
  const instance = await TestInstance.start(`gt${randomBytes(3).toString('hex')}`);
  globalThis.engineUnderTest = instance;
  process.env['GANTRY_TEST_SOCKET'] = instance.socket;
  process.env['GANTRY_TEST_INSTANCE'] = JSON.stringify({
    name: instance.name,
    runDir: instance.runDir,
    dataRoot: instance.dataRoot,
    certificates: instance.certificates,
  });
  const imported = await new EngineClient(instance.socket).post(
    '/images/create?fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22sh%22%5D&changes=ENV%20PATH%3D%2Fbin',
    await busyboxRootfs(),
  );
  if (imported.status !== 200 || imported.text.includes('errorDetail')) {
    await instance.clean();
    throw new Error(`busybox could not be imported: ${imported.status} ${imported.text}`);
  }
}
