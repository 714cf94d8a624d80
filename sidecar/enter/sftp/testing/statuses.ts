/** STATUS answers with the sentences of OpenSSH's server, for toMatchObject. */
export const statuses = {
  ok: { type: 'status', code: 0, message: 'Success' },
  endOfFile: { type: 'status', code: 1, message: 'End of file' },
  noSuchFile: { type: 'status', code: 2, message: 'No such file' },
  permissionDenied: { type: 'status', code: 3, message: 'Permission denied' },
  failure: { type: 'status', code: 4, message: 'Failure' },
  badMessage: { type: 'status', code: 5, message: 'Bad message' },
  unsupported: { type: 'status', code: 8, message: 'Operation unsupported' },
} as const;

/** What version 3 has no code for: the sentence is the system's. */
export function failure(message: string) {
  return { type: 'status', code: 4, message } as const;
}
