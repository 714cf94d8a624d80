/** Where routes and endpoints come from: the API server, or files. */
export type Provider = {
  /** Loads everything, then follows changes until `signal` aborts. Resolves when the first load is complete. */
  start: (signal: AbortSignal) => Promise<void>;
  /** Why logins cannot be served, in one sentence; undefined when they can. */
  problem: () => string | undefined;
  /** When the source was last heard, in milliseconds since the epoch; files have no such time. */
  lastContact?: () => number | undefined;
};
