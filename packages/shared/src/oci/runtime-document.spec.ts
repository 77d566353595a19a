import type { OciProcess } from './oci-spec';
import { runtimeDocument } from './runtime-document';

const process: OciProcess = {
  terminal: false,
  user: { uid: 0, gid: 0 },
  args: ['sh', '-c', 'echo "\\u0000"'],
  env: ['A=b'],
  cwd: '/',
  capabilities: { bounding: [] },
  noNewPrivileges: false,
};

it('is what was given', () => expect(JSON.parse(runtimeDocument(process))).toEqual(process));

it.each([
  [{ env: ['A=x\0y'] }, 'environment variable value can\'t contain null(\\x00): "A=x\\x00y"'],
  [{ args: ['sh', '-c', 'a\0b'] }, 'args can\'t contain null(\\x00): "a\\x00b"'],
  [{ cwd: '/a\0b' }, 'cwd can\'t contain null(\\x00): "/a\\x00b"'],
])('is refused with a NUL byte: %j', (part, message) => {
  expect(() => runtimeDocument({ ...process, ...part })).toThrow(message);
});
