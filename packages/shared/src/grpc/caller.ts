import type { CallContext } from './method-types';

/** Whoever waits for a unary call, seen from the method. The signal is made when somebody asks for it: few methods do. */
export class Caller implements CallContext {
  private controller: AbortController | undefined;
  private gone = false;

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.gone) this.controller.abort();
    }
    return this.controller.signal;
  }

  leave(): void {
    this.gone = true;
    this.controller?.abort();
  }
}
