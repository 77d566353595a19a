import { parseDockerfile } from '../dockerfile/parse-dockerfile';
import { planBuild } from './build-plan';
import { VertexNames } from './vertex-names';

/** What the stages of a Dockerfile are told as, with `A` set to `1`. */
function namesOf(lines: string[]): string[] {
  const dockerfile = parseDockerfile(`${lines.join('\n')}\n`);
  const { stages } = planBuild(dockerfile, { target: '', variables: new Map(), labels: 0, contexts: {} });
  const expansion = { variables: new Map([['A', '1']]), escape: dockerfile.escape };
  return stages.flatMap((stage) => {
    const names = new VertexNames(stage);
    const hasBase = stage.base !== 'scratch' && stage.baseStage === undefined;
    const steps = stage.stage.instructions.map((one) => names.next(one, expansion));
    return [...(hasBase ? [names.metadata, names.base] : []), ...steps.filter((name) => name !== undefined)];
  });
}

it('counts what makes files, in each stage, with variables put in', () => {
  const lines = ['FROM busybox AS Build', 'ARG A=1', 'workdir /$A', 'RUN echo "$A" $B', 'ENV C=d'];
  expect(namesOf([...lines, 'FROM scratch', 'COPY --from=build /$A /', 'CMD ["x"]'])).toEqual([
    '[internal] load metadata for docker.io/library/busybox:latest',
    '[build 1/3] FROM docker.io/library/busybox:latest',
    '[build 2/3] WORKDIR /1',
    '[build 3/3] RUN echo "1" $B',
    '[stage-1 1/1] COPY --from=build /1 /',
  ]);
});

it('names no stage where there is one, and says how a here-document begins', () => {
  expect(namesOf(['FROM r:5000/a/b:c', 'RUN <<EOF', 'echo one', 'echo two', 'EOF'])).toEqual([
    '[internal] load metadata for r:5000/a/b:c',
    '[1/2] FROM r:5000/a/b:c',
    '[2/2] RUN <<EOF (echo one...)',
  ]);
});

it('numbers a stage on another one by its own steps, and triggers before them', () => {
  const dockerfile = parseDockerfile('FROM a AS b\nFROM b\nRUN c\n');
  const { stages } = planBuild(dockerfile, { target: '', variables: new Map(), labels: 0, contexts: {} });
  const names = new VertexNames(stages[1] ?? fail());
  const [run] = dockerfile.stages[1]?.instructions ?? [];
  if (!run) throw fail();
  names.expectTriggers([run]);
  const expansion = { variables: new Map<string, string>(), escape: dockerfile.escape };
  expect([names.next(run, expansion), names.next(run, expansion)]).toEqual([
    '[stage-1 1/2] ONBUILD RUN c',
    '[stage-1 2/2] RUN c',
  ]);
});

function fail(): never {
  throw new Error('not planned');
}
