/** `npm run check`: the gate and the unit tests. Every step runs, so that one look shows all that is wrong. */
import { GATE } from './gate.ts';
import { runStep, runTests } from './steps.ts';

const failed = GATE.filter((step) => !runStep(step)).map((step) => step.name);
const unit = runTests('unit');
console.log(`\nunit tests: ${unit.passed} passed, ${unit.failed} failed`);
if (failed.length > 0) console.error(`the gate is not green: ${failed.join(', ')}`);
process.exit(failed.length + unit.failed === 0 ? 0 : 1);
