/** A known hole that does not concern us, and why; looked at again when it ends. */
export type Exception = {
  /** `GHSA-…` */
  readonly advisory: string;
  /** What of ours never does what it takes. */
  readonly because: string;
  /** The last day, as 2027-01-31. */
  readonly until: string;
};

export const EXCEPTIONS: readonly Exception[] = [];
