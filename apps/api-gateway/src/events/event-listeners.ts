import { Injectable } from '@nestjs/common';

/** How many clients of this gateway follow events. */
@Injectable()
export class EventListeners {
  count = 0;

  /** Returns how to leave again. */
  join(): () => void {
    this.count += 1;
    return () => {
      this.count -= 1;
    };
  }
}
