import { engineLabels } from './engine-labels';

it('takes labels of the engine, and refuses what dockerd refuses', () => {
  expect(engineLabels({})).toEqual([]);
  expect(engineLabels({ GANTRY_LABELS: 'a=1,b=,a=1' })).toEqual(['a=1', 'b=']);
  expect(engineLabels({ GANTRY_LABELS: '["a=1,2"]' })).toEqual(['a=1,2']);
  expect(() => engineLabels({ GANTRY_LABELS: 'a' })).toThrow('GANTRY_LABELS: bad attribute format: a');
  expect(() => engineLabels({ GANTRY_LABELS: 'a=1,a=2' })).toThrow('conflict labels for a=2 and a=1');
});
