#!/bin/sh
# The first program of a native cluster's node. `unshare` has given it namespaces of its own for processes, mounts and
# the network; it lays out the mounts that the cluster's programs expect of a machine, and becomes process 1.
# Nothing here is seen outside: all of it ends with the last process of the node.
set -eu
folder=$1
init=$2

# /proc is still this machine's: it tells the number by which the machine knows this process.
read -r pid _ </proc/self/stat
echo "$pid" >"$folder/node.pid"

# Pods may ask for mounts that propagate, within the node.
mount --make-rshared /
mount -t proc proc /proc

# /run, /var/log and /var/lib of the node's own: kubelet, CNI and containerd keep things there at fixed paths. The node's
# folder itself is under /var/lib, so it comes back in its old place.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock
mount --bind "$folder/var/log" /var/log
mkdir -p "$folder/var/lib${folder#/var/lib}"
mount --bind "$folder" "$folder/var/lib${folder#/var/lib}"
mount --rbind "$folder/var/lib" /var/lib

# The kubelet sets these for the whole machine unless it finds them set. It finds copies.
mkdir -p /run/sysctl
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  path=${setting%=*}
  copy=/run/sysctl/$(echo "$path" | tr / .)
  echo "${setting#*=}" >"$copy"
  mount --bind "$copy" "/proc/sys/$path"
done

exec "$init"
