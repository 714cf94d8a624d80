#!/bin/bash
# As image-setup, and it trusts nobody: what is not needed for a shell is off.
set -euo pipefail
if [[ ${SSH_CONTAINER_ROLE-} != sidecar ]]; then
  exec sleep infinity
fi

state=${SSH_RUNTIME_DIR:?}
keys=${SSH_AUTHORIZED_KEYS_FILE:-$state/home/.ssh/authorized_keys}

accounts() {
  local name names
  IFS=, read -ra names <<<"${SSH_USERNAMES:-$SSH_USERNAME}"
  for name in "${names[@]}"; do
    printf '%s:x:%s:%s:guest:%s:/bin/bash\n' "$name" "${PUID:-1000}" "${PGID:-1000}" "$state/home"
  done
}

configuration() {
  cat <<CONFIG
Port ${SSH_PORT:-2222}
PidFile $state/sshd.pid
HostKey $state/key_rsa
HostKey $state/key_ed25519
AuthorizedKeysFile $keys
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowTcpForwarding no
AllowAgentForwarding no
MaxAuthTries 3
MaxSessions 2
LoginGraceTime 30
PermitUserRC no
CONFIG
  if [[ ${SSH_AUDIT_LOGGING:-true} == true ]]; then
    echo 'ForceCommand /usr/local/lib/audit-shell.sh'
  fi
}

accounts >"$state/accounts"
echo "guests:x:${PGID:-1000}:" >"$state/groups"
LD_PRELOAD=$(find /usr/lib -name 'libnss_wrapper.so*' -type f -print -quit)
export LD_PRELOAD NSS_WRAPPER_PASSWD=$state/accounts NSS_WRAPPER_GROUP=$state/groups

if [[ ! -e $state/sshd_config ]]; then
  install -d -m 700 "$state/home" "$(dirname "$keys")"
  touch "$keys"
  chmod 600 "$keys"
  ssh-keygen -q -t rsa -b 3072 -N '' -f "$state/key_rsa"
  ssh-keygen -q -t ed25519 -N '' -f "$state/key_ed25519"
  configuration >"$state/sshd_config"
fi

exec /usr/sbin/sshd -D -e -f "$state/sshd_config"
