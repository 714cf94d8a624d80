#!/bin/bash
# The ForceCommand: leaves a line about whoever comes, then runs what they asked for.
echo "$(date -u +%FT%TZ) $USER: ${SSH_ORIGINAL_COMMAND:-a shell}" >>"${SSH_RUNTIME_DIR:-/ssh-runtime}/visits"
if [[ -z ${SSH_ORIGINAL_COMMAND-} ]]; then
  exec bash -l
fi
exec bash -c "$SSH_ORIGINAL_COMMAND"
