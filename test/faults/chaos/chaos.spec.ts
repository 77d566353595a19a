import { busyboxRootfs } from '../../support/busybox-image';
import { EngineClient } from '../../support/engine-client';
import { TestInstance } from '../../support/test-instance';
import { Chaos } from './chaos';

/** The short form of `npm run chaos`. */
describe('kill -9 of container-service, monitors, containers and execs at random', () => {
  jest.setTimeout(300_000);
  let own: TestInstance;
  let chaos: Chaos;
  beforeAll(async () => {
    own = await TestInstance.start(`gc${Math.random().toString(36).slice(2, 8)}`);
    const api = new EngineClient(own.socket);
    await api.post(
      '/images/create?fromSrc=-&repo=busybox&changes=ENV%20PATH%3D%2Fbin',
      await busyboxRootfs(),
    );
    chaos = new Chaos(own, api, { containers: 20, duration: 8_000, seed: Date.now() });
  });
  afterAll(() => own?.clean());

  it('leaves API, kernel and disk agreeing on every container, and nothing without an owner', async () => {
    await chaos.populate();
    await chaos.rage();
    await chaos.settle();
    await chaos.removeAll();
  });
});
