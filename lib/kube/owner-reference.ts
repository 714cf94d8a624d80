import * as z from 'zod';

export const OwnerReference = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
  blockOwnerDeletion: z.boolean().optional(),
});
export type OwnerReference = z.infer<typeof OwnerReference>;

/** The reference that makes `owner` the controller of an object in its own namespace: deleted with it. */
export function controllerReference(
  resource: { apiVersion: string; kind: string },
  owner: { name: string; uid: string },
): OwnerReference {
  return {
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    name: owner.name,
    uid: owner.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** True where the owner with `uid` controls an object with these references. */
export function isControlledBy(references: readonly OwnerReference[] | undefined, uid: string): boolean {
  return references?.some((reference) => reference.controller === true && reference.uid === uid) ?? false;
}
