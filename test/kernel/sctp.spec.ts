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
    // SCTP knows no half-closed connection: the server speaks, and ends it.
    const listen = ['SCTP-LISTEN:7,fork', 'SYSTEM:echo over sctp'];
    const server = spawn('nsenter', ['-t', pid, '-n', 'socat', ...listen], { stdio: 'ignore' });
    const { stdout } = await docker(['port', name]);
    const elsewhere = /192\.0\.2\.10:(\d+)/.exec(stdout)?.[1] ?? '';
    const heard = (from: string): void => {
      const client = ['-u', `SCTP-CONNECT:${from},connect-timeout=5`, '-'];
      expect(execFileSync('socat', client, { encoding: 'utf8', stdio: 'pipe' })).toBe('over sctp\n');
    };
    try {
      for (const to of ['127.0.0.1:7777', `192.0.2.10:${elsewhere}`]) {
        await eventually(() => heard(to));
      }
    } finally {
      server.kill('SIGKILL');
      await docker(['rm', '-f', name]);
    }
    expect(() => heard('127.0.0.1:7777')).toThrow();
  });
});
