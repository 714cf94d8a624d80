/** `metav1.MicroTime`: exactly six fraction digits, or the API server answers 400 (kubernetes#141204). */
export const microTime = (date: Date): string => date.toISOString().replace(/Z$/, '000Z');
