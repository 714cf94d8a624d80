/** Lines of text, and nothing that moves a terminal's cursor or title: not every client filters what it prints. */
export const printable = (text: string): string =>
  text
    .trimEnd()
    .replaceAll(/[^\P{C}\n\t]/gu, '')
    .replaceAll('\n', '\r\n');
