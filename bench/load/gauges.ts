/** What a piper says of itself on its health port. */
export async function gauge(healthPort: number, name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${healthPort}/metrics`);
  const text = await response.text();
  const value = new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`the piper has no metric ${name}`);
  return Number(value);
}
