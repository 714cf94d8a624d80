/** One version for the programs, wherever it is written: an image is found by the tag that the chart has by default. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { projectFolder } from './places.ts';

const read = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');
const { version } = z.object({ version: z.string() }).parse(JSON.parse(read('package.json')));

test('the chart installs the images of this version', () => {
  const { appVersion } = z.object({ appVersion: z.string() }).parse(parse(read('charts/sshaccess/Chart.yaml')));
  expect(appVersion).toBe(version);
});

test('the README tags the images with it', () => {
  const tags = [...read('README.md').matchAll(/sshaccess\/\$program:([\d.]+)"/g)].map(([, tag]) => tag);
  expect(tags).toEqual([version, version]);
});
