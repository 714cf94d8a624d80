#!/bin/sh
# What Alpine is made of, from Debian's sources: busybox and OpenSSH, compiled and dynamically linked with musl. OpenSSH
# comes without OpenSSL, as it does on small systems: curve25519, ed25519, chacha20 and AES-CTR of its own.
# Runs as a hook of mmdebstrap. Arguments: a root folder with the compiler in it, and the tar to write.
set -eu
root=$1
sed -n 's/^deb /deb-src /p' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/source.list"
chroot "$root" sh -eu <<'SCRIPT'
quietly() {
  "$@" >/tmp/log 2>&1 || { tail -30 /tmp/log; exit 1; }
}
cd /tmp
quietly apt-get update
quietly apt-get source busybox openssh
# musl-gcc looks into musl's own headers only; the kernel's are the same for every libc.
mkdir /tmp/kernel
ln -s /usr/include/linux /usr/include/asm-generic /usr/include/mtd "/usr/include/$(gcc -dumpmachine)/asm" /tmp/kernel

cd /tmp/busybox-*/
quietly make defconfig
# Traffic control wants kernel headers of the year it was written in.
sed -i 's/^CONFIG_TC=y/# CONFIG_TC is not set/' .config
quietly make -j"$(nproc)" CC=musl-gcc EXTRA_CFLAGS='-I/tmp/kernel -w -fpermissive' CONFIG_PREFIX=/tmp/root install

cd /tmp/openssh-*/
touch configure # Debian's patches made configure.ac newer, and change nothing that matters here
quietly ./configure CC=musl-gcc CFLAGS='-O1 -isystem /tmp/kernel' --prefix=/usr --sysconfdir=/etc/ssh \
  --libexecdir=/usr/lib/ssh --with-privsep-path=/var/empty --with-default-path=/bin:/usr/bin:/sbin:/usr/sbin \
  --without-openssl --without-zlib --without-shadow --without-stackprotect --without-hardening \
  --disable-utmp --disable-wtmp --disable-lastlog --disable-pkcs11 --disable-security-key
quietly make -j"$(nproc)" sshd sshd-session sshd-auth sftp-server ssh-keygen scp
cd /tmp/root
mkdir -p etc/ssh lib root tmp usr/bin usr/sbin usr/lib/ssh var/empty
install -s /tmp/openssh-*/sshd usr/sbin
install -s /tmp/openssh-*/sshd-session /tmp/openssh-*/sshd-auth /tmp/openssh-*/sftp-server usr/lib/ssh
install -s /tmp/openssh-*/ssh-keygen /tmp/openssh-*/scp usr/bin
# As in Alpine: libc and the loader are one file, and the programs name it.
loader=$(echo /lib/ld-musl-*.so.1)
cp -L "$loader" ".$loader"
chmod 1777 tmp
chmod 700 var/empty
printf '%s\n' root:x:0:0:root:/root:/bin/ash sshd:x:22:22:sshd:/var/empty:/bin/false >etc/passwd
printf '%s\n' root:x:0: sshd:x:22: >etc/group
printf '%s\n' 'Subsystem sftp /usr/lib/ssh/sftp-server' >etc/ssh/sshd_config
grep -aq "$loader" usr/sbin/sshd
chroot . /bin/sh -c 'test "$(id -u)" = 0'
SCRIPT
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root/tmp/root" -cf "$2" .
