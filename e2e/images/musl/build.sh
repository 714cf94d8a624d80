#!/bin/sh
# Debian's busybox source, compiled and dynamically linked with Debian's musl, as a root file system without glibc.
# Runs as a hook of mmdebstrap. Arguments: a root folder with the compiler in it, and the tar to write.
set -eu
root=$1
here=$(dirname "$0")
sed -n 's/^deb /deb-src /p' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/source.list"
cp "$here/busybox.config" "$root/tmp/busybox.config"
chroot "$root" sh -eu <<'SCRIPT'
cd /tmp
apt-get -q update
apt-get -q source busybox
cd busybox-*/
# musl-gcc looks into musl's own headers only; the kernel's are the same for every libc.
mkdir /tmp/kernel
machine=$(gcc -dumpmachine)
ln -s /usr/include/linux /usr/include/asm-generic /usr/include/mtd "/usr/include/$machine/asm" /tmp/kernel
make allnoconfig >/dev/null
# Of a symbol that is set twice the first one counts; oldconfig then settles what depends on them.
cat /tmp/busybox.config .config >/tmp/config
mv /tmp/config .config
yes '' | make oldconfig >/dev/null 2>&1
make -j"$(nproc)" CC=musl-gcc HOSTCC=gcc EXTRA_CFLAGS=-I/tmp/kernel SKIP_STRIP=n busybox >/tmp/make.log 2>&1 || { tail -30 /tmp/make.log; exit 1; }
make CC=musl-gcc CONFIG_PREFIX=/tmp/root install >/dev/null
cd /tmp/root
# As in Alpine: libc and the loader are one file, and the program names it.
loader=$(echo /lib/ld-musl-*.so.1)
mkdir -p lib etc tmp root
cp -L "$loader" "$(pwd)$loader"
grep -aq "$loader" bin/busybox
chmod 1777 tmp
echo 'root:x:0:0:root:/root:/bin/ash' >etc/passwd
echo 'root:x:0:' >etc/group
./lib/ld-musl-*.so.1 ./bin/busybox sh -c 'stat -c %n . >/dev/null'
SCRIPT
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root/tmp/root" -cf "$2" .
