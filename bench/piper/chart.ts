type Group = { title: string; bars: readonly { name: string; value: number }[] };

const WIDTH = 720;
const LABEL = 110;
const BAR = 16;
const LINE = 22;
const COLOURS: Readonly<Record<string, string>> = { piper: '#2a7de1' };

/** Horizontal bars as SVG, each group on a scale of its own; colours that do on white and on black. */
export function barChart(groups: readonly Group[]): string {
  let y = 0;
  const lines = groups.flatMap((group) => {
    const most = Math.max(...group.bars.map(({ value }) => value));
    y += LINE * 1.5;
    const title = `<text x="0" y="${y}" font-weight="bold">${group.title}</text>`;
    const bars = group.bars.map(({ name, value }) => {
      y += LINE;
      const length = Math.round(((WIDTH - LABEL - 70) * value) / most);
      const text = `<text x="0" y="${y}">${name}</text>`;
      const bar = `<rect x="${LABEL}" y="${y - BAR + 4}" width="${length}" height="${BAR}" fill="${COLOURS[name] ?? '#9aa5b1'}"/>`;
      return `${text}${bar}<text x="${LABEL + length + 6}" y="${y}">${value.toPrecision(3)}</text>`;
    });
    return [title, ...bars];
  });
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + LINE}" font-family="sans-serif" font-size="13" fill="#6b7785">`;
  return [open, ...lines, '</svg>', ''].join('\n');
}
