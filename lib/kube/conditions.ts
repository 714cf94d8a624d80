/** `metav1.Condition`. */
export type Condition = {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number | undefined;
};

/**
 * `conditions` with `next` in place of the one of its type. `lastTransitionTime` moves only when `status` changes, so
 * that it answers "since when".
 */
export function setCondition(
  conditions: readonly Condition[],
  next: Omit<Condition, 'lastTransitionTime'>,
  now: Date,
): Condition[] {
  const previous = conditions.find((condition) => condition.type === next.type);
  // Conditions have whole seconds (metav1.Time).
  const transition = `${now.toISOString().slice(0, 19)}Z`;
  const lastTransitionTime = previous?.status === next.status ? previous.lastTransitionTime : transition;
  const changed = { ...next, lastTransitionTime };
  if (previous === undefined) return [...conditions, changed];
  return conditions.map((condition) => (condition.type === next.type ? changed : condition));
}
