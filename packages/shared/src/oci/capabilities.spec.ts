import { containerCapabilities, DEFAULT_CAPABILITIES } from './capabilities';

const available = [...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN', 'CAP_NET_ADMIN'];
const capabilities = (add: string[], drop: string[], privileged = false) =>
  containerCapabilities(add, drop, privileged, available);

describe('containerCapabilities', () => {
  it.each([
    [[], [], DEFAULT_CAPABILITIES],
    [[], ['ALL'], []],
    [['net_admin'], ['ALL'], ['CAP_NET_ADMIN']],
    [['ALL'], ['CHOWN'], available.filter((name) => name !== 'CAP_CHOWN')],
    [[], ['CHOWN'], DEFAULT_CAPABILITIES.filter((name) => name !== 'CAP_CHOWN')],
  ])('add %j drop %j', (add, drop, expected) => {
    expect(capabilities(add, drop)).toEqual(expected);
  });

  it('privileged has all there are', () => {
    expect(capabilities([], [], true)).toEqual(available);
  });
});
