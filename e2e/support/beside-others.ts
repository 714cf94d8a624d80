/** e2e files that change nothing but namespaces of their own, and measure nothing that others add to; the longest first. */
const BESIDE_OTHERS: readonly RegExp[] = [
  /\/bulk\.e2e\.ts$/,
  /\/conformance\/conformance\.e2e\.ts$/,
  /\/main-container[a-z-]*\.e2e\.ts$/,
  /\/workload-states\.e2e\.ts$/,
  /\/process-namespace\.e2e\.ts$/,
  /\/pod-security\.e2e\.ts$/,
  /\/jobs\.e2e\.ts$/,
  /\/clients\/[a-z]+\.e2e\.ts$/,
  /\/policy\.e2e\.ts$/,
  /\/api\.e2e\.ts$/,
  /\/down\.e2e\.ts$/,
  /\/docs\.e2e\.ts$/,
  /\/faults\.e2e\.ts$/,
  /\/observability\.e2e\.ts$/,
  /\/forwarding\.e2e\.ts$/,
  /\/broken-app\.e2e\.ts$/,
  /\/network-policies\.e2e\.ts$/,
  /\/(chart|expiry|lifecycle|plugin|removal|session|status|stop-early|tenancy|transfer|who)\.e2e\.ts$/,
];

/** Its place among them; undefined: it is none of them, and runs alone. */
export function placeBesideOthers(path: string): number | undefined {
  const place = BESIDE_OTHERS.findIndex((pattern) => pattern.test(path));
  return place === -1 ? undefined : place;
}
