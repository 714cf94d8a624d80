#!/bin/sh
# ssh2's native AES-GCM binding must be built for the Node that this project brings along, not for the system's
# (npm runs install scripts with whatever Node npm itself runs on). The node-linux-* packages carry the headers.
set -u
[ -d node_modules/ssh2 ] || exit 0
for arch in x64 arm64; do
  headers="$PWD/node_modules/node-linux-$arch"
  [ -d "$headers/include/node" ] || continue
  PATH="$PWD/node_modules/.bin:$PATH"
  export PATH
  if node -e 'require("./node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node")' 2>/dev/null; then exit 0; fi
  npm rebuild ssh2 --ignore-scripts=false --nodedir="$headers" >/tmp/sshaccess-ssh2-build.$$ 2>&1
  if node -e 'require("./node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node")' 2>/dev/null; then
    rm -f /tmp/sshaccess-ssh2-build.$$
    exit 0
  fi
  tail -n 20 /tmp/sshaccess-ssh2-build.$$ >&2
  rm -f /tmp/sshaccess-ssh2-build.$$
  echo "sshaccess: ssh2's native AES binding could not be built; install a C++ toolchain (apt-get install g++ make python3) and run npm ci again." >&2
  exit 1
done
