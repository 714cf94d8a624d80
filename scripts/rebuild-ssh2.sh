#!/bin/sh
# Makes ssh2's native AES-GCM addon fit for the Node that this project brings along (the node-linux-* packages, which
# carry the headers); npm has built it for whatever Node npm itself runs on, if at all. And makes it one whose objects
# may be garbage-collected: its classes derive from node::ObjectWrap, whose destructor in Node 24.21 aborts the process
# when the collector runs where no context is entered (between two microtasks); Nan::ObjectWrap has the same members and not that check.
# The addon says that it is such a one (`sshaccess: 1`): lib/ssh refuses any other.
set -u
[ -d node_modules/ssh2 ] || exit 0
crypto=node_modules/ssh2/lib/protocol/crypto
source="$crypto/src/binding.cc"
log="${TMPDIR:-/tmp}/sshaccess-ssh2-build.$$"
trap 'rm -f "$log" "$source.new"' EXIT

fail() {
  echo "sshaccess: $1" >&2
  exit 1
}

is_ready() {
  node -e "process.exit(require('./$crypto/build/Release/sshcrypto.node').sshaccess === 1 ? 0 : 1)" 2>/dev/null
}

patch_source() {
  grep -q 'Nan::New("sshaccess")' "$source" && return 0
  sed -e 's/ : public ObjectWrap {/ : public Nan::ObjectWrap {/' \
    -e 's/^  GenericDecipher::Init(target);/&\n  Nan::Set(target, Nan::New("sshaccess").ToLocalChecked(), Nan::New(1));/' \
    "$source" >"$source.new" || return 1
  # Another version of ssh2 may have other classes: better no addon than one that aborts.
  [ "$(grep -c ' : public Nan::ObjectWrap {' "$source.new")" = 6 ] || return 1
  [ "$(grep -c 'Nan::New("sshaccess")' "$source.new")" = 1 ] || return 1
  mv "$source.new" "$source"
}

for arch in x64 arm64; do
  headers="$PWD/node_modules/node-linux-$arch"
  [ -d "$headers/include/node" ] || continue
  PATH="$PWD/node_modules/.bin:$PATH"
  export PATH
  is_ready && exit 0
  patch_source || fail "ssh2's native addon is not the one that scripts/rebuild-ssh2.sh knows how to patch ($source); is ssh2 still 1.17.0?"
  npm rebuild ssh2 --ignore-scripts=false --nodedir="$headers" >"$log" 2>&1
  is_ready && exit 0
  tail -n 20 "$log" >&2
  fail "ssh2's native AES addon could not be built; install a C++ toolchain (apt-get install g++ make python3) and run npm ci again."
done
