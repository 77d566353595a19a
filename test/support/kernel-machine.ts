/**
 * Whether the specs run in the virtual machine of `npm run test:kernel`, which is theirs: they may start servers there and load
 * modules, as they must not on the host of whoever runs them.
 */
export const inMachine = process.env['GANTRY_TEST_MACHINE'] === '1';

/** A group of tests for that machine alone. */
export function describeInMachine(title: string, tests: () => void): void {
  if (inMachine) describe(title, tests);
  else describe.skip(`${title} (only by npm run test:kernel)`, tests);
}
