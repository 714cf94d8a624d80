import { SETUP_CONTAINER, SIDECAR_CONTAINER, SIDECAR_VOLUME } from '../crds/index.ts';

/** All that injections of either runtime put into pods, by which a copy of one is cleaned, and clashes are found. */
export const VOLUMES = {
  secret: SIDECAR_VOLUME,
  tmp: `${SIDECAR_VOLUME}-tmp`,
  noToken: `${SIDECAR_VOLUME}-no-token`,
  init: `${SIDECAR_VOLUME}-init`,
  runtime: `${SIDECAR_VOLUME}-runtime`,
} as const;
export const OUR_VOLUMES: readonly string[] = Object.values(VOLUMES);
export const OUR_CONTAINERS: readonly string[] = [SIDECAR_CONTAINER, SETUP_CONTAINER];
