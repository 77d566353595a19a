/** Prisma's codes, and SQLSTATE's, for a database that cannot be reached, is overrun, starts or goes. */
const CODES = /^(P1001|P1002|P1008|P1017|P2024|57P0[1-3]|08[0-9A-Z]{3}|53300)$/;

/** The same as node-postgres and Prisma say it where they give no code. */
const WORDS = new RegExp(
  [
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Connection terminated[ a-z]*',
    'connect \\w+ \\S*\\.s\\.PGSQL\\.\\d+',
    'the database system is [a-z ]+',
    'terminating connection due to [a-z ]+',
    "Can't reach database server",
    'Server has closed the connection',
    'Client has encountered a connection error and is not queryable',
    'sorry, too many clients already',
  ].join('|'),
);

/** Why Postgres does not answer, where that is what an error says: no defect of ours, and it will pass. */
export function databaseAway(error: unknown): string | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 4; each = each.cause, depth++) {
    const words = WORDS.exec(each.message)?.[0];
    if (words !== undefined) return words.trim();
    const { code } = each as { code?: unknown };
    if (typeof code === 'string' && CODES.test(code)) return code;
  }
  return undefined;
}
