/** Minutes of work must show themselves: every step says its name, and how long it took. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const begin = performance.now();
  const seconds = (): string => `${((performance.now() - begin) / 1000).toFixed(1)} s`;
  // A line that ends nothing is better than silence: a log viewer shows it while the work runs.
  let told = name;
  const alive = setInterval(() => {
    say(`  … ${told}, ${seconds()} so far`);
    told = brief(name);
  }, 15_000);
  try {
    const result = await work();
    say(`  ✓ ${name} (${seconds()})`);
    return result;
  } catch (error) {
    say(`  ✗ ${name} (${seconds()})`);
    throw error;
  } finally {
    clearInterval(alive);
  }
}

/** What is said once more every quarter of a minute need not be said whole. */
const brief = (name: string): string => (name.length <= 40 ? name : `${name.slice(0, 39)}…`);

/** Progress goes to stderr, so that stdout stays usable in a pipe. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
