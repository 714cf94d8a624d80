const QUANTITY = /^([0-9.]+)([a-zA-Z]*)$/;
const EXPONENT = /^([0-9.]+[eE][+-]?[0-9]+)$/;
const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** As the API server takes it, for cpu and memory. */
export type Quantity = string | number;

/** The number that a Kubernetes quantity means (`500m`, `1Gi`, `1e3`); undefined where it is none. */
export function parseQuantity(quantity: Quantity): number | undefined {
  const text = String(quantity);
  if (EXPONENT.test(text)) return Number(text);
  const [, digits, suffix] = QUANTITY.exec(text) ?? [];
  const factor = suffix === undefined ? undefined : SUFFIXES[suffix];
  const value = factor === undefined ? Number.NaN : Number(digits) * factor;
  return Number.isNaN(value) ? undefined : value;
}
