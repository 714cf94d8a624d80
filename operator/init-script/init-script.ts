import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SSHD_SECRET_KEYS } from '../../crds/main-container.ts';

/** The script lies beside this file, and beside the operator's bundle, where scripts/build.ts puts it. */
export const INIT_SCRIPT_FILE = join(import.meta.dirname, SSHD_SECRET_KEYS.initScript);

/** Our set-up of sshd in a main_container, which the pod's Secret carries under `SSHD_SECRET_KEYS.initScript`. */
export const INIT_SCRIPT = readFileSync(INIT_SCRIPT_FILE, 'utf8');
