import { linkAsOneSegment } from './link-names';

it.each([
  ['/containers/web/db?link=1', '/containers/web%2Fdb?link=1'],
  ['/containers/web/db', '/containers/web%2Fdb'],
  ['/containers/web/db/json', '/containers/web%2Fdb/json'],
  ['/containers/web/json', '/containers/web/json'],
  ['/containers/web/attach/ws', '/containers/web/attach/ws'],
  ['/containers/web?force=1', '/containers/web?force=1'],
  ['/containers/json?filters=a/b/c', '/containers/json?filters=a/b/c'],
  ['/images/a/b/json', '/images/a/b/json'],
])('%s is %s', (given, wanted) => expect(linkAsOneSegment(given)).toBe(wanted));
