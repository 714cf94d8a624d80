/** e2e files that touch nothing but namespaces of their own, and measure nothing. They wait more than they work. */
const BESIDE_OTHERS: readonly RegExp[] = [
  /\/api\.e2e\.ts$/,
  /\/broken-app\.e2e\.ts$/,
  /\/clients\/[a-z]+\.e2e\.ts$/,
  /\/conformance\/conformance\.e2e\.ts$/,
  /\/docs\.e2e\.ts$/,
  /\/down\.e2e\.ts$/,
  /\/faults\.e2e\.ts$/,
  /\/forwarding\.e2e\.ts$/,
  /\/jobs\.e2e\.ts$/,
  /\/main-container[a-z-]*\.e2e\.ts$/,
  /\/network-policies\.e2e\.ts$/,
  /\/observability\.e2e\.ts$/,
  /\/pod-security\.e2e\.ts$/,
  /\/policy\.e2e\.ts$/,
  /\/process-namespace\.e2e\.ts$/,
  /\/workload-states\.e2e\.ts$/,
];

/** Whether this file may run while another one does. */
export const isBesideOthers = (path: string): boolean => BESIDE_OTHERS.some((pattern) => pattern.test(path));
