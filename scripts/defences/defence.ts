/** A defence, how to take it out, and who must notice. */
export type Defence = {
  /** Of docs/security-tests.md. */
  row: string;
  /** The program without it, in half a sentence: "any signature is taken". */
  without: string;
  file: string;
  /** Stands in the file once. */
  find: string;
  replace: string;
  /** Test file and title, as documents name them: at least one of these tests must fail. */
  tests: readonly (readonly [file: string, title: string])[];
};
