import { createHash } from 'node:crypto';
import { Definition, Op, type Ref } from '@gantry/proto/frontend';
import { invalidArgument, notImplemented } from '@gantry/shared/errors';

const IMAGE = 'docker-image://';
const CONTEXT = 'context:';
const INPUT = 'input:';

/** The result of a build for its client, who may make it a context of another build. Empty: there is no image. */
export function refOf(imageId: string): Ref {
  if (imageId === '') return { id: '', def: undefined };
  const source = encoded({ inputs: [], source: { identifier: `${IMAGE}${imageId}` } });
  const digest = `sha256:${createHash('sha256').update(source).digest('hex')}`;
  const result = encoded({ inputs: [{ digest, index: 0 }], source: undefined });
  return { id: imageId, def: { def: [source, result], metadata: { [digest]: {} } } };
}

const encoded = (op: Op): Buffer => Buffer.from(Op.encode(op).finish());

/** Attributes of a frontend whose contexts were results of other builds (`docker buildx bake`, `target:`) as what they are: images. */
export function withInputs(
  attributes: Record<string, string>,
  inputs: Record<string, Definition>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      if (!name.startsWith(CONTEXT) || !value.startsWith(INPUT)) return [name, value];
      const input = inputs[value.slice(INPUT.length)];
      if (!input) throw invalidArgument(`invalid input ${value.slice(INPUT.length)} for ${name}`);
      return [name, imageOf(input)];
    }),
  );
}

/** `docker-image://...` @throws NotImplemented for what is made of more */
function imageOf({ def }: Definition): string {
  const operations = def.slice(0, -1).map((bytes) => Op.decode(bytes));
  const identifier = operations[0]?.source?.identifier ?? '';
  if (operations.length === 1 && identifier.startsWith(IMAGE)) return identifier;
  throw notImplemented('an input of a frontend that is no image is not built yet');
}
