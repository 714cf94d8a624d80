#!/bin/sh
set -eu
if [ "$(id -u)" != 0 ]; then
  [ -f /tmp/host_key ] || ssh-keygen -q -t ed25519 -N '' -f /tmp/host_key
  exec /usr/sbin/sshd -D -e -p 2200 -h /tmp/host_key -o UsePAM=no -o PidFile=none
fi
mkdir -p /run/sshd
ssh-keygen -A
exec /usr/sbin/sshd -D -e
