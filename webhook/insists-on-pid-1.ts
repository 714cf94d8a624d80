/** Pure: which containers are known to end, or to misbehave, where they are not process 1. */
import { SIDECAR_CONTAINER } from '../crds/index.ts';
import { allContainers, type Container, type Pod } from './pod.ts';

/**
 * Of the first word of `command`; or of `args` where there is no `command`, which an entry point may take as anything:
 * so a path must be absolute (`terraform init` insists on nothing).
 */
const PROGRAMS: readonly RegExp[] = [
  // s6-overlay, which ends with code 100: "can only run as pid 1".
  /^\/init$/,
  // SysV, busybox, systemd: as another process each of them is a tool that talks to process 1, and ends.
  /^(\/usr)?\/s?bin\/init$/,
  // As another process it manages the session of a user, finds none, and ends with code 1.
  /^\/.*\/systemd$/,
  // The inits of OpenRC and runit.
  /^\/.*\/(openrc|runit)-init$/,
];

/** Of the image's name without registry, tag and digest; looked at only where `command` does not replace the entry point. */
const IMAGES: readonly RegExp[] = [
  // Every image of theirs is built on s6-overlay.
  /(^|\/)linuxserver\//,
  // Base images of Home Assistant and its add-ons: s6-overlay since 2022.
  /(^|\/)(homeassistant|home-assistant)\//,
  // Images that say in their name that they are supervised by s6.
  /(^|[-_./])s6([-_./]|$)/,
  // Red Hat's Universal Base Image with systemd as its entry point.
  /(^|\/)(ubi[0-9]+\/)?ubi[0-9]*-init$/,
];

/** True where a container of the pod, whichever, is known to insist: a shared process namespace has one process 1. */
export function insistsOnPid1(pod: Pod): boolean {
  return allContainers(pod).some((container) => container.name !== SIDECAR_CONTAINER && insists(container));
}

function insists({ command = [], args = [], image = '' }: Container): boolean {
  const [program = ''] = command.length > 0 ? command : args;
  if (PROGRAMS.some((pattern) => pattern.test(program))) return true;
  return command.length === 0 && IMAGES.some((pattern) => pattern.test(repository(image)));
}

/**
 * `quay.io:443/org/app:1.2@sha256:…` → `org/app`. A first part with a dot or a colon, or localhost, is a registry.
 *
 * Nobody has checked the image yet when a pod comes here, so no pattern may take long for a long one.
 */
function repository(image: string): string {
  const [tagged = ''] = image.split('@', 1);
  const tag = tagged.lastIndexOf(':');
  const name = tag > tagged.lastIndexOf('/') ? tagged.slice(0, tag) : tagged;
  const [first = '', ...rest] = name.split('/');
  return rest.length > 0 && /[.:]|^localhost$/.test(first) ? rest.join('/') : name;
}
