import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { placeBesideOthers } from './beside-others.ts';

const placeOf = ({ moduleId }: TestSpecification): number => placeBesideOthers(moduleId) ?? Infinity;

/** Files that may run beside others come first: they wait only where one that wants to be alone comes between. */
export class BesideOthersFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- vitest's, not an array's
    const sorted = await super.sort(files);
    // Infinity - Infinity is NaN, which sorts as 0: the others stay as they are.
    return sorted.toSorted((one, other) => placeOf(one) - placeOf(other) || 0);
  }
}
