import { BuildArguments } from './build-arguments';
import type { ArgInstruction } from './dockerfile';
import { parseTrigger } from './parse-dockerfile';

const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
const create = (given: Record<string, string | null> = {}) =>
  new BuildArguments(new Map(Object.entries(given)), {
    build: { ...platform, variant: '' },
    target: platform,
  });
const arg = (text: string): ArgInstruction => parseTrigger(`ARG ${text}`) as ArgInstruction;

test('an argument counts from its ARG on: what is given, else its default', () => {
  const stage = create({ GIVEN: 'given', EMPTY: '' }).stage();
  expect(stage.variables([]).get('GIVEN')).toBeUndefined();
  expect(stage.declare(arg('GIVEN=default OTHER=default NONE EMPTY=default'))).toBe(
    'ARG GIVEN=default OTHER=default NONE EMPTY=default',
  );
  expect(Object.fromEntries(stage.variables([]))).toEqual({ GIVEN: 'given', OTHER: 'default', EMPTY: '' });
});

test('an ENV hides an argument, in words and for RUN', () => {
  const stage = create().stage();
  stage.declare(arg('A=argument B=b'));
  expect(stage.variables(['A=environment']).get('A')).toBe('environment');
  expect(stage.forRun(['A=environment'])).toEqual(['B=b']);
});

test('global arguments are for FROM, and for stages that declare them', () => {
  const all = create();
  all.declareGlobal(arg('G=global'), '\\');
  all.declareGlobal(arg('H=of-$G'), '\\');
  expect(all.forBase.get('H')).toBe('of-global');
  const stage = all.stage();
  expect(stage.variables([]).has('G')).toBe(false);
  stage.declare(arg('G'));
  stage.declare(arg('H=own'));
  expect(Object.fromEntries(stage.variables([]))).toEqual({ G: 'global', H: 'own' });
});

test('platforms are for FROM, and for stages that declare them', () => {
  const all = create();
  expect(all.forBase.get('TARGETPLATFORM')).toBe('linux/arm64/v8');
  expect(all.forBase.get('BUILDPLATFORM')).toBe('linux/arm64');
  const stage = all.stage();
  stage.declare(arg('TARGETARCH TARGETSTAGE'));
  expect(Object.fromEntries(stage.variables([]))).toEqual({ TARGETARCH: 'arm64', TARGETSTAGE: 'default' });
});

test('a stage on another has its arguments', () => {
  const all = create();
  const one = all.stage();
  one.declare(arg('A=1'));
  expect(all.stage(one).variables([]).get('A')).toBe('1');
  expect(all.stage().variables([]).has('A')).toBe(false);
});

test('proxies are known without an ARG, and do not count for the cache', () => {
  const stage = create({ HTTP_PROXY: 'http://proxy', no_proxy: null }).stage();
  stage.declare(arg('A=1'));
  expect(stage.forRun([])).toEqual(['A=1', 'HTTP_PROXY=http://proxy']);
  expect(stage.forCache([])).toEqual(['A=1']);
});

test('a proxy with an ARG counts', () => {
  const stage = create({ http_proxy: 'http://proxy' }).stage();
  stage.declare(arg('http_proxy'));
  expect(stage.forCache([])).toEqual(['http_proxy=http://proxy']);
});

test('what no ARG asked for is told', () => {
  const all = create({ A: '1', B: '2', http_proxy: 'x' });
  all.stage().declare(arg('A'));
  expect(all.unused).toEqual(['B']);
});
