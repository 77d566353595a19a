import { execFileSync, spawn } from 'node:child_process';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';
import { eventually } from '../support/eventually';
import { describeInMachine } from '../support/kernel-machine';

/* busybox has no SCTP: socat of the machine speaks it, in the network of a container where a server is wanted. */

describeInMachine('published SCTP ports', () => {
  it('lead from the host to the container, and stop with it', async () => {
    execFileSync('modprobe', ['sctp']);
    const name = freshName('sctp');
    await docker([
      'run',
      '-d',
      '--name',
      name,
      '-p',
      '127.0.0.1:7777:7/sctp',
      '-p',
      '192.0.2.10::7/sctp',
      'busybox',
      'sleep',
      '600',
    ]);
    const pid = (await docker(['inspect', '-f', '{{.State.Pid}}', name])).stdout.trim();
    const server = spawn('nsenter', ['-t', pid, '-n', 'socat', 'SCTP-LISTEN:7,fork', 'EXEC:cat'], {
      stdio: 'ignore',
    });
    const { stdout } = await docker(['port', name]);
    const elsewhere = /192\.0\.2\.10:(\d+)/.exec(stdout)?.[1] ?? '';
    const said = (to: string) =>
      execFileSync('socat', ['-t', '5', '-', `SCTP-CONNECT:${to},connect-timeout=5`], {
        input: 'over sctp\n',
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      });
    try {
      for (const to of ['127.0.0.1:7777', `192.0.2.10:${elsewhere}`]) {
        expect(await eventually(() => said(to))).toBe('over sctp\n');
      }
    } finally {
      server.kill('SIGKILL');
      await docker(['rm', '-f', name]);
    }
    expect(() => said('127.0.0.1:7777')).toThrow();
  });
});
