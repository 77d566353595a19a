import { RouteTable } from './route-table';

describe('RouteTable', () => {
  const table = new RouteTable<string>();
  table.add('GET', '/images/json', 'list');
  table.add('GET', '/images/*name/json', 'inspect');
  table.add('POST', '/images/:name/tag', 'tag');
  table.add(undefined, '/plugins/:name', 'plugin');

  it.each([
    ['GET', '/images/json', 'list', {}],
    ['GET', '/images/a/b/json', 'inspect', { name: ['a', 'b'] }],
    ['POST', '/images/a%2Fb/tag', 'tag', { name: 'a/b' }],
    ['PUT', '/plugins/x', 'plugin', { name: 'x' }],
  ])('%s %s is for %s', (method, path, handler, params) => {
    expect(table.find(method, path)).toMatchObject({ handler, params });
  });

  it.each([
    ['POST', '/images/json'],
    ['GET', '/images/json/'],
    ['GET', '/Images/json'],
    ['GET', '/'],
    ['GET', '*'],
    ['POST', '/images//tag'],
  ])('%s %s is for nobody', (method, path) => expect(table.find(method, path)).toBeUndefined());
});
