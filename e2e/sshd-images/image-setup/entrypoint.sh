#!/bin/sh
# Of the contract it knows the environment and the volume, and nothing of /ssh-init. It is generous: sftp, forwarding.
set -eu
[ "${SSH_CONTAINER_ROLE:-}" = sidecar ] || exec sleep infinity
uid=${PUID:-1000} gid=${PGID:-1000}
cd "$SSH_RUNTIME_DIR"
for name in $(echo "$SSH_USERNAMES" | tr ',' ' '); do
  echo "$name:x:$uid:$gid::$SSH_RUNTIME_DIR/home:/bin/bash"
done >passwd
echo "ssh:x:$gid:" >group
# Where it is root, ssh-keygen looks for that user, and sshd for its own unprivileged one.
cat /etc/passwd >>passwd
LD_PRELOAD=$(find /usr/lib -name 'libnss_wrapper.so*' -type f | head -n 1)
NSS_WRAPPER_PASSWD=$PWD/passwd NSS_WRAPPER_GROUP=$PWD/group
export LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP

mkdir -p home/.ssh
touch "$SSH_AUTHORIZED_KEYS_FILE"
chmod 600 "$SSH_AUTHORIZED_KEYS_FILE"
if [ "$(id -u)" = 0 ]; then
  mkdir -p /run/sshd
  chown -R "$uid:$gid" home
fi
[ -f host_key ] || ssh-keygen -q -t ed25519 -N '' -f host_key
cat >sshd_config <<CONFIG
Port $SSH_PORT
HostKey $SSH_RUNTIME_DIR/host_key
PidFile none
AuthorizedKeysFile $SSH_AUTHORIZED_KEYS_FILE
AuthenticationMethods publickey
AllowTcpForwarding local
Subsystem sftp internal-sftp
CONFIG
exec /usr/sbin/sshd -D -e -f "$PWD/sshd_config"
