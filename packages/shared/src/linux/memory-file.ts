import { writeSync } from 'node:fs';
import { check, libc } from './native';

const memfdCreate = libc.declare('int memfd_create(const char *name, unsigned int flags)');
const MFD_CLOEXEC = 1;

/** A regular file in memory that nobody else can open, memfd_create(2): its descriptor, at the beginning of the content. */
export function memoryFile(name: string, content = ''): number {
  const fd = check(memfdCreate(name, MFD_CLOEXEC), 'memfd_create');
  if (content !== '') writeSync(fd, content, 0);
  return fd;
}
