/** How long a job may have nobody: a service that was killed is back by then. Milliseconds. */
export const ABSENT_MS = 30_000;

/** Whether anybody is there for a job that says nothing: where its worker and image-service stand still, it would never end. */
export class JobAttendance {
  private absentSince: number | undefined;

  /** `isHeld`: whether a worker holds the job. `serviceAnswers` rejects where image-service does not. */
  constructor(
    private readonly isHeld: () => Promise<boolean>,
    private readonly serviceAnswers: () => Promise<unknown>,
  ) {}

  /** The job has said something. */
  heard(): void {
    this.absentSince = undefined;
  }

  /** @throws what image-service's silence was, when there has been nobody for {@link ABSENT_MS} */
  async look(): Promise<void> {
    const began = performance.now();
    try {
      if (!(await this.isHeld())) await this.serviceAnswers();
      this.absentSince = undefined;
    } catch (error) {
      this.absentSince ??= began;
      if (performance.now() - this.absentSince >= ABSENT_MS) throw error;
    }
  }
}
