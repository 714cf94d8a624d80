import type { PublicKey } from './public-key.ts';

export type AuthorizedKey = { key: PublicKey; comment: string; line: string };

export type KeyProblem = {
  line: number;
  code: 'private-key' | 'options' | 'certificate' | 'unsupported' | 'weak' | 'malformed' | 'duplicate';
  message: string;
};

export function parseAuthorizedKeys(_text: string): { keys: AuthorizedKey[]; problems: KeyProblem[] } {
  throw new Error('not written yet');
}
