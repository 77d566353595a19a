/** Where the embedded resolver listens in every namespace that has one, as Docker's does. */
export const RESOLVER_ADDRESS = '127.0.0.11';
