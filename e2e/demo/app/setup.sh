#!/bin/sh
# What the demo's image has beyond Debian packages: the user 1000 and the program. Argument: the image's root folder.
set -eu
root=${1%/}
here=$(dirname "$0")
echo 'app:x:1000:1000:the app:/srv/hello:/bin/bash' >>"$root/etc/passwd"
echo 'app:x:1000:' >>"$root/etc/group"
mkdir -p "$root/srv/hello"
cp "$here/hello.py" "$root/srv/hello/hello.py"
chown -R 1000:1000 "$root/srv/hello"
