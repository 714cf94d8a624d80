#!/bin/sh
set -eu
[ "${SSH_CONTAINER_ROLE:-}" = sidecar ] || exec sleep infinity
uid=${PUID:-1000} gid=${PGID:-1000}
for name in $(echo "$SSH_USERNAMES" | tr ',' ' '); do
  grep -q "^$name:" /etc/passwd || echo "$name:x:$uid:$gid::$SSH_RUNTIME_DIR/home:/bin/sh" >>/etc/passwd
done
[ -f "$SSH_RUNTIME_DIR/sshd_config" ] || /ssh-init/05-ssh-init.sh
exec /usr/sbin/sshd -D -e -f "$SSH_RUNTIME_DIR/sshd_config"
