import { posix } from 'node:path';

/** As the kubelet takes a mountPath: relative ones start at the root, and `.`, `..` and doubled slashes mean nothing more. */
export const normal = (path: string): string => posix.resolve('/', path);

/** Both {@link normal}. */
export const isAtOrBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
