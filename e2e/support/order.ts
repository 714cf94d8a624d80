import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { isBesideOthers } from './beside-others.ts';

/** Those first: they wait for each other only where one that wants to be alone comes between. */
export class BesideOthersFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const [beside, alone] = [true, false].map((is) => sorted.filter(({ moduleId }) => isBesideOthers(moduleId) === is));
    return [...(beside ?? []), ...(alone ?? [])];
  }
}
