import { afterEach } from 'vitest';
import { Pod } from './container.ts';

/** Makes pods that are gone after each test, with all that runs in them. */
export function usePods(): (settings?: Readonly<Record<string, string>>) => Pod {
  const pods: Pod[] = [];
  afterEach(() => {
    for (const pod of pods.splice(0)) pod.remove();
  });
  return (settings) => {
    const pod = new Pod(settings);
    pods.push(pod);
    return pod;
  };
}
