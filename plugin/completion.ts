/** kubectl asks the executable kubectl_complete-sshaccess in PATH: one candidate a line, then a directive of cobra's. */
import { COMMANDS } from './command-line.ts';

/** Complete with these and nothing else; no file names. */
const NO_FILES = ':4';

export const COMPLETION_SCRIPT = `#!/bin/sh
# kubectl sshaccess completion > kubectl_complete-sshaccess; chmod +x it, in a folder of PATH.
# kubectl calls it with the words so far; the last is the one to complete.
if [ "$#" -le 1 ]; then
  printf '%s\\n' ${Object.keys(COMMANDS).join(' ')}
elif [ "$#" -eq 2 ] && [ "$1" != why ] && [ "$1" != keygen ]; then
  kubectl get sshaccesses.sshaccess.dev --output=name 2>/dev/null | sed 's|.*/||'
elif [ "$#" -eq 3 ] && { [ "$1" = command ] || [ "$1" = kick ]; }; then
  kubectl get sshaccesses.sshaccess.dev "$2" --output='jsonpath={range .status.users[*]}{.username}{"\\n"}{end}' 2>/dev/null
fi
echo ${NO_FILES}
`;
