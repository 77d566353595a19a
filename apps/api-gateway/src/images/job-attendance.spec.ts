import { ABSENT_MS, JobAttendance } from './job-attendance';

describe('a job that says nothing', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const silent = () => Promise.reject(new Error('silent'));

  it('is waited for while a worker holds it, whether image-service answers or not', async () => {
    const attendance = new JobAttendance(async () => true, silent);
    for (let look = 0; look < 5; look++, jest.advanceTimersByTime(ABSENT_MS)) await attendance.look();
  });

  it('is waited for while image-service is there: it waits for its turn', async () => {
    const attendance = new JobAttendance(
      async () => false,
      async () => undefined,
    );
    for (let look = 0; look < 5; look++, jest.advanceTimersByTime(ABSENT_MS)) await attendance.look();
  });

  it('has failed when nobody has been there for long', async () => {
    const attendance = new JobAttendance(async () => false, silent);
    await attendance.look();
    jest.advanceTimersByTime(ABSENT_MS - 1);
    await attendance.look();
    attendance.heard();
    jest.advanceTimersByTime(1);
    await attendance.look();
    jest.advanceTimersByTime(ABSENT_MS);
    await expect(attendance.look()).rejects.toThrow('silent');
  });
});
