import { expect, test } from 'vitest';
import { Labellings, MOST_LABELLINGS, WINDOW_MS } from './labellings.ts';

const web = { key: 'acme/web', generation: 1, workload: 'w1' };

function exhausted(): Labellings {
  const labellings = new Labellings();
  for (let time = 0; time < MOST_LABELLINGS; time++) {
    expect(labellings.waitMs(web, time)).toBe(0);
    labellings.labelled(web, time);
  }
  return labellings;
}

test('a template that is reset again and again is left alone until the window is over', () => {
  const labellings = exhausted();
  expect(labellings.waitMs(web, 10)).toBe(WINDOW_MS - 10);
  expect(labellings.waitMs(web, WINDOW_MS)).toBe(0);
});

test('a changed spec, another workload and another SshAccess begin anew; so does one that was deleted', () => {
  const labellings = exhausted();
  for (const other of [{ generation: 2 }, { workload: 'w2' }, { key: 'acme/api' }])
    expect(labellings.waitMs({ ...web, ...other }, 10)).toBe(0);
  labellings.forget(web.key);
  expect(labellings.waitMs(web, 10)).toBe(0);
});
