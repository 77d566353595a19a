/** How many times longer than usual things may take; more than 1 where the specs run in an emulated machine. */
export const SLOWNESS = Number(process.env['GANTRY_TEST_SLOWNESS'] ?? 1);
