/** Time as those see it who wait for it, so that tests need not wait. */
export type Clock = {
  /** Milliseconds that only go forward. */
  now: () => number;
  /** Calls `work` once, when `ms` have passed. Returns how to cancel that. */
  after: (ms: number, work: () => void) => () => void;
};

// setTimeout(3) of Node fires at once beyond 2^31 - 1: a longer wait is several.
const LONGEST_MS = 2 ** 31 - 1;

/** The real one. It does not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, work) => {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      const step = Math.min(left, LONGEST_MS);
      timer = setTimeout(() => (left > step ? wait(left - step) : work()), step).unref();
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};
