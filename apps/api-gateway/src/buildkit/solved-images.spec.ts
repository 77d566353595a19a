import { Op } from '@gantry/proto/frontend';
import { refOf, withInputs } from './solved-images';

const ID = `sha256:${'a'.repeat(64)}`;

it('makes the result of a build a context of another', () => {
  const { id, def } = refOf(ID);
  expect(id).toBe(ID);
  const inputs = { '0-base': def ?? { def: [], metadata: {} } };
  expect(withInputs({ 'context:base': 'input:0-base', filename: 'Dockerfile' }, inputs)).toEqual({
    'context:base': `docker-image://${ID}`,
    filename: 'Dockerfile',
  });
});

it('names the operation that its last one is the result of', () => {
  const [source, result] = (refOf(ID).def?.def ?? []).map((bytes) => Op.decode(bytes));
  expect(source?.source?.identifier).toBe(`docker-image://${ID}`);
  expect(result?.inputs).toEqual([{ digest: expect.stringMatching(/^sha256:/), index: 0 }]);
});

it('has no result where there is no image', () => {
  expect(refOf('')).toEqual({ id: '', def: undefined });
});

it('refuses inputs that are not there, or no image', () => {
  const attributes = { 'context:base': 'input:0-base' };
  expect(() => withInputs(attributes, {})).toThrow('invalid input 0-base for context:base');
  const local = Buffer.from(Op.encode({ inputs: [], source: { identifier: 'local://x' } }).finish());
  expect(() => withInputs(attributes, { '0-base': { def: [local, local], metadata: {} } })).toThrow(
    'no image',
  );
});
