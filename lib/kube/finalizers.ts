/** What {@link addFinalizer} and {@link removeFinalizer} must know of an object. */
export type Finalized = { resourceVersion?: string | undefined; finalizers?: readonly string[] | undefined };

type Operation = Record<string, unknown>;

// The list has no keys for a JSON patch to name, so each patch holds only for the version that it was made from.
const unchanged = (object: Finalized): Operation => ({
  op: 'test',
  path: '/metadata/resourceVersion',
  value: object.resourceVersion,
});

/** The JSON patch that adds `finalizer` and touches nothing else; undefined where it is there. */
export function addFinalizer(object: Finalized, finalizer: string): Operation[] | undefined {
  if (object.finalizers?.includes(finalizer) === true) return undefined;
  const add =
    object.finalizers === undefined
      ? { op: 'add', path: '/metadata/finalizers', value: [finalizer] }
      : { op: 'add', path: '/metadata/finalizers/-', value: finalizer };
  return [unchanged(object), add];
}

/** The JSON patch that removes `finalizer` and touches nothing else; undefined where it is not there. */
export function removeFinalizer(object: Finalized, finalizer: string): Operation[] | undefined {
  const index = object.finalizers?.indexOf(finalizer) ?? -1;
  return index < 0 ? undefined : [unchanged(object), { op: 'remove', path: `/metadata/finalizers/${index}` }];
}
