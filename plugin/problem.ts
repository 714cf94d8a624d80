/** Something that the person at the terminal can put right: its message says how. */
export class Problem extends Error {
  override readonly name = 'Problem';
}
