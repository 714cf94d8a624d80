/**
 * `npm test`: the gate, then unit, wire-level and e2e tests. The last line counts them; a failed gate step counts as one.
 * What fails is tried once more, and named: thousands of tests on a real cluster and a loaded machine.
 * `npm run check` tries nothing again.
 */
import { GATE } from './gate.ts';
import { runStep, runTests } from './steps.ts';

const gateFailures = GATE.filter((step) => !runStep(step)).length;
const unit = runTests('unit', 1);
const e2e = runTests('e2e', 1);
const passed = unit.passed + e2e.passed;
const failed = gateFailures + unit.failed + e2e.failed;
console.log(`\nunit and wire-level: ${unit.passed} passed, ${unit.failed} failed`);
console.log(`e2e: ${e2e.passed} passed, ${e2e.failed} failed`);
if (gateFailures > 0) console.log(`gate steps failed: ${gateFailures}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
