/**
 * What a cluster says may be a tenant's or a pod's words: nothing of it moves the cursor, changes the title or reverses the order
 * of a terminal's text. \n and tabs stay; the rest is shown as its number.
 */
export const printable = (text: string): string =>
  text.replaceAll(/[^\P{C}\n\t]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
