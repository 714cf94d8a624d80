/** What may be negotiated, each list in order of preference (the client's order wins, RFC 4253 §7.1). */
export type Algorithms = {
  kex: readonly string[];
  hostKey: readonly string[];
  cipher: readonly string[];
  mac: readonly string[];
};
