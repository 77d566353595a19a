import { execFileSync } from 'node:child_process';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';
import { eventually } from '../support/eventually';
import { describeInMachine } from '../support/kernel-machine';

interface Entry {
  MESSAGE: string;
  PRIORITY: string;
  CONTAINER_NAME: string;
  CONTAINER_ID_FULL: string;
  CONTAINER_TAG: string;
}

describeInMachine('log driver journald', () => {
  it('lines are in the journal with the fields that dockerd gives them, and docker logs reads them', async () => {
    const name = freshName('journal');
    const script = 'echo to-stdout; echo to-stderr >&2';
    await docker([
      'run',
      '--name',
      name,
      '--log-driver',
      'journald',
      '--log-opt',
      'tag=the-tag',
      'busybox',
      'sh',
      '-c',
      script,
    ]);
    const id = (await docker(['inspect', '-f', '{{.Id}}', name])).stdout.trim();
    const entries = await eventually(() => {
      const output = execFileSync('journalctl', ['-o', 'json', `CONTAINER_NAME=${name}`], {
        encoding: 'utf8',
      });
      const found = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Entry);
      if (found.length < 2) throw new Error(output);
      return found;
    });
    const fields = { CONTAINER_NAME: name, CONTAINER_ID_FULL: id, CONTAINER_TAG: 'the-tag' };
    expect(entries.sort((a, b) => a.PRIORITY.localeCompare(b.PRIORITY))).toMatchObject([
      { ...fields, MESSAGE: 'to-stderr', PRIORITY: '3' },
      { ...fields, MESSAGE: 'to-stdout', PRIORITY: '6' },
    ]);
    const { stdout, stderr } = await docker(['logs', name]);
    expect([stdout, stderr]).toEqual(['to-stdout\n', 'to-stderr\n']);
    await docker(['rm', name]);
  });
});
