import type { CopyInstruction, Origin } from './dockerfile';

/** COPY of one source, as it is, to the root. */
export const wholeCopy = (from: string, source: string, origin: Origin): CopyInstruction => ({
  kind: 'copy',
  from,
  sources: [source],
  documents: [],
  destination: '/',
  chown: '',
  chmod: '',
  link: false,
  parents: false,
  exclude: [],
  origin,
});
