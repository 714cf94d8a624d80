#!/bin/sh
# sshaccess: sets up sshd in a container whose image brings its own openssh-server (crds/main-container.ts is the contract).
#
#   05-ssh-init.sh              once for each start of the container, in place of the image's own set-up, before sshd
#   05-ssh-init.sh session …    sshd's ForceCommand, for each session channel
#
# POSIX sh, for dash, bash and busybox; no here-documents, for which some bash needs a writable /tmp.
set -eu

# What is spelled out does not depend on the locale, as ranges do.
DIGITS=0123456789
LOWER=abcdefghijklmnopqrstuvwxyz
UPPER=ABCDEFGHIJKLMNOPQRSTUVWXYZ
PLAIN=$LOWER$UPPER$DIGITS/._-

# --- what both halves use ---------------------------------------------------------------------------------------------

# only VALUE CHARACTERS MOST: true for one to MOST of these characters.
only() {
  # shellcheck disable=SC2254 # a set of characters is a pattern
  case $1 in '' | *[!$2]*) return 1 ;; esac
  [ "${#1}" -le "$3" ]
}

is_port() {
  only "$1" "$DIGITS" 5 && [ "$1" -ge 1 ] && [ "$1" -le 65535 ]
}

random_word() {
  od -An -N8 -tx1 /dev/urandom | tr -d ' \n'
}

# --- sessions: they run as the user, with the client's environment ----------------------------------------------------

refuse() {
  printf 'sshaccess: %s\n' "$1" >&2
  exit 126
}

# The piper sets these on each channel before anything of the client; without them nobody knows whose session it is.
read_facts() {
  user=${SSHACCESS_USER-} role=${SSHACCESS_ROLE-} connection=${SSHACCESS_SESSION-}
  address=${SSHACCESS_CLIENT-} address=${address%% *}
  client_port=${SSHACCESS_CLIENT-} client_port=${client_port#* }
  if ! only "$user" "$LOWER$DIGITS-" 191 || ! only "$connection" "$LOWER$UPPER$DIGITS._-" 64 ||
    ! only "$address" "${DIGITS}abcdefABCDEF.:" 45 || ! is_port "$client_port" ||
    { [ "$role" != root ] && [ "$role" != limited ]; }; then
    refuse 'this session did not come through the gateway, which says whose it is.'
  fi
}

# record VERB [WHAT]: one audit line. It is shorter than PIPE_BUF (pipe(7)): written whole, never mixed with another.
record() {
  [ "$audit" = yes ] || return 0
  if ! [ -d "/proc/$logger" ] || ! [ -p "$runtime/audit" ]; then
    refuse 'nobody reads the audit trail of this container any more; restart its pod.'
  fi
  printf '%s SSH_AUDIT %s user=%s src=%s session=%s%b\n' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$user" "$address" "$connection" "${2:+ $2}" >"$runtime/audit"
}

# Records a command quoted as bash's `printf %q` does in the C locale: printable ASCII, whatever comes in. What does not
# fit into one line goes on in the next ones as `cmd+=`.
record_command() {
  [ "$audit" = yes ] || return 0
  # shellcheck disable=SC2046 # words are what this asks for
  set -- $(printf %s "$1" | od -An -v -to1)
  style=backslash open='' close='' previous='' text='' bytes=0 label=cmd=
  [ "$#" -gt 0 ] || text="''"
  case " $* " in
    *' 00'* | *' 01'* | *' 02'* | *' 03'* | *' 177 '* | *' 2'* | *' 3'*) style=ansi open="\$'" close="'" ;;
  esac
  for byte in "$@"; do
    "${style}_quote" "$byte" "$previous"
    previous=$byte text=$text$quoted bytes=$((bytes + 1))
    if [ "$bytes" -ge 850 ]; then
      record exec "$label$open$text$close"
      text='' bytes=0 label=cmd+=
    fi
  done
  [ -z "$text" ] || record exec "$label$open$text$close"
}

# Both set `quoted` to what `printf %b` prints for a byte, given and printed in octal.
backslash_quote() {
  quoted="\\0$1"
  case $1 in
    04[012467] | 05[0124] | 07[3467] | 13[3456] | 140 | 17[345]) quoted="\\\\$quoted" ;;
    043) [ -n "$2" ] || quoted="\\\\$quoted" ;; # a comment starts only a word
    176) case $2 in '' | 072 | 075) quoted="\\\\$quoted" ;; esac ;; # a tilde expands there and after : and =
  esac
}

ansi_quote() {
  case $1 in
    007) quoted='\\a' ;;
    010) quoted='\\b' ;;
    011) quoted='\\t' ;;
    012) quoted='\\n' ;;
    013) quoted='\\v' ;;
    014) quoted='\\f' ;;
    015) quoted='\\r' ;;
    033) quoted='\\E' ;;
    047 | 134) quoted="\\\\\\0$1" ;;
    0[0-3]? | 177 | [23]??) quoted="\\\\$1" ;;
    *) quoted="\\0$1" ;;
  esac
}

# sshd shows nobody what a subsystem says on stderr; the piper has told users that sftp is not theirs.
start_sftp() {
  if [ "$sftp_server" = none ] || { [ "$sftp" != read-only ] && [ "$sftp" != read-write ]; }; then
    record refused subsystem=sftp
    exit 126
  fi
  record connect
  record exec subsystem=sftp
  PATH=$session_path
  [ "$sftp" = read-write ] || exec "$sftp_server" -R
  exec "$sftp_server"
}

# session RUNTIME AUDIT LOGGER SFTP_WORD SFTP_SERVER
session() {
  runtime=$1 audit=$2 logger=$3 sftp_word=$4 sftp_server=$5
  session_path=$PATH
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
  read_facts
  sftp=${SSHACCESS_SFTP-}
  USER=$user LOGNAME=$user
  # `<address> <port> <address here> <port here>`, and the same without the address here, as sshd sets them.
  here=${SSH_CONNECTION#* * }
  SSH_CONNECTION="$address $client_port $here"
  SSH_CLIENT="$address $client_port ${here#* }"
  export USER LOGNAME SSH_CONNECTION SSH_CLIENT
  has_command=${SSH_ORIGINAL_COMMAND+yes} command=${SSH_ORIGINAL_COMMAND-}
  # SHLVL: see sshd_config. The user's shell is the first one, and so bash reads ~/.bashrc as it does under any sshd.
  unset SSH_ORIGINAL_COMMAND SSHACCESS_CLIENT SSHACCESS_SFTP SHLVL
  [ "$command" != "$sftp_word" ] || start_sftp
  record connect
  if [ -z "$has_command" ]; then
    PATH=$session_path
    exec "$SHELL" -l
  fi
  record_command "$command"
  PATH=$session_path
  exec "$SHELL" -c "$command"
}

# --- set-up: it runs as sshd's own user, with the container's environment ---------------------------------------------

say() {
  printf 'sshaccess: %s\n' "$1" >&2
}

# fail WORD SENTENCE: the word is one of INIT_FAILURES; the operator reads both in the pod's status.
fail() {
  say "[$1] $2"
  if [ -w /dev/termination-log ]; then printf 'sshaccess: [%s] %s\n' "$1" "$2" >/dev/termination-log || :; fi
  [ -z "${logger-}" ] || kill "$logger" 2>/dev/null || :
  exit 1
}

# one_of WORD NAME VALUE CHOICE...: ends with failure WORD unless the value is one of the choices.
one_of() {
  word=$1 name=$2 value=$3
  shift 3
  for choice in "$@"; do
    [ "$value" != "$choice" ] || return 0
  done
  fail "$word" "$name must be one of: $*."
}

plain_path() {
  case $2 in /*) only "$2" "$PLAIN" 255 && return ;; esac
  fail environment "$1 must be an absolute path of letters, digits and / . _ - only."
}

check_tools() {
  for tool in cat chmod chown date id ln mkdir mkfifo mv od rm tr; do
    command -v "$tool" >/dev/null || fail tools "this image has no $tool; install coreutils or busybox."
  done
}

read_environment() {
  runtime=${SSH_RUNTIME_DIR:-/ssh-runtime}
  secret=${SSHACCESS_SECRET_DIR:-/run/sshaccess/secret}
  keys=${SSH_AUTHORIZED_KEYS_FILE:-$runtime/home/.ssh/authorized_keys}
  port=${SSH_PORT:-2222}
  audit=${SSH_AUDIT_LOGGING:-true}
  required=${SSH_BOOTSTRAP_REQUIRED:-false}
  usernames=${SSH_USERNAMES:-${SSH_USERNAME:-}}
  plain_path SSH_RUNTIME_DIR "$runtime"
  plain_path SSHACCESS_SECRET_DIR "$secret"
  plain_path SSH_AUTHORIZED_KEYS_FILE "$keys"
  is_port "$port" || fail environment 'SSH_PORT must be a number from 1 to 65535.'
  one_of environment SSH_AUDIT_LOGGING "$audit" true false
  one_of environment SSH_BOOTSTRAP_REQUIRED "$required" true false
  only "$usernames" "$LOWER$UPPER$DIGITS,._ -" 2048 ||
    fail environment 'SSH_USERNAMES must be usernames, separated by commas.'
}

# setting NAME CHOICE...: prints the value of a line `NAME=value`; without choices, any.
setting() {
  wanted=$1
  shift
  while IFS='=' read -r name value || [ -n "$name" ]; do
    [ "$name" = "$wanted" ] || continue
    [ "$#" -eq 0 ] || one_of settings "$wanted in sshd-settings" "$value" "$@"
    printf '%s\n' "$value"
    return
  done <"$secret/sshd-settings"
  fail settings "sshd-settings has no line $wanted; is the operator older than the pod?"
}

read_settings() {
  [ -r "$secret/sshd-settings" ] ||
    fail settings "$secret/sshd-settings cannot be read; is the pod's Secret mounted there?"
  local_forwarding=$(setting LOCAL_FORWARDING none loopback)
  remote_forwarding=$(setting REMOTE_FORWARDING none loopback)
  socket_forwarding=$(setting SOCKET_FORWARDING yes no)
  agent_forwarding=$(setting AGENT_FORWARDING yes no)
  x11_forwarding=$(setting X11_FORWARDING yes no)
  audit_logging=$(setting AUDIT_LOGGING yes no)
  client_environment=$(setting CLIENT_ENVIRONMENT)
  [ -z "$client_environment" ] || only "$client_environment" "$UPPER${DIGITS}_* " 8192 ||
    fail settings 'CLIENT_ENVIRONMENT in sshd-settings must be names of environment variables.'
  # Whoever says no is right: the pod's own environment, or the SshAccess.
  if [ "$audit" = false ] || [ "$audit_logging" = no ]; then audit=no; else audit=yes; fi
}

find_programs() {
  # The entrypoints of the contract start this one; it must be an absolute path, since sshd executes itself again.
  sshd=/usr/sbin/sshd
  [ -x "$sshd" ] || sshd=$(command -v sshd) ||
    fail no-sshd 'this image has no openssh-server; install it, or use runtime: sidecar.'
  sftp_server=none
  for path in /usr/lib/openssh /usr/lib/ssh /usr/libexec/openssh /usr/libexec /usr/lib; do
    if [ -x "$path/sftp-server" ]; then sftp_server=$path/sftp-server && break; fi
  done
  [ "$sftp_server" != none ] || say 'this image has no sftp-server, so there is no sftp; install openssh-sftp-server.'
}

# passwd_entry NAME: sets what the passwd file says of a user; all empty where only libraries know the user.
passwd_entry() {
  entry_uid='' entry_gid='' entry_home='' entry_shell=''
  while IFS=: read -r name _ number group _ directory shell; do
    [ "$name" = "$1" ] || continue
    entry_uid=$number entry_gid=$group entry_home=$directory entry_shell=${shell:-/bin/sh}
    return
  done <"${NSS_WRAPPER_PASSWD:-/etc/passwd}"
}

# uid_of NAME: as the C library knows it, and so sshd. A static busybox has no libraries that could be preloaded: then the
# file counts, where there is a library for sshd.
uid_of() {
  id -u "$1" 2>/dev/null || { [ -f "${LD_PRELOAD-}" ] && only "$entry_uid" "$DIGITS" 10 && echo "$entry_uid"; }
}

# sshd serves a username only where the C library knows it, as sshd's own uid unless sshd is root.
check_user() {
  passwd_entry "$1" 2>/dev/null || :
  its_uid=$(uid_of "$1") ||
    fail username "user $1 has no passwd entry; install libnss-wrapper and let the entrypoint preload it with an entry for each of SSH_USERNAMES."
  : "${uid:=$its_uid}"
  [ "$its_uid" = "$uid" ] || fail username "user $1 is uid $its_uid, but the others are uid $uid; give all the uid of PUID."
  [ "$me" = 0 ] || [ "$uid" = "$me" ] ||
    fail username "user $1 is uid $uid, but sshd runs as uid $me and can serve no other; set PUID to $me, or runAsUser to $uid."
  [ -z "$entry_shell" ] || [ -x "$entry_shell" ] ||
    fail username "user $1 has a shell that this image lacks; install it (bash?), or name another in the passwd entry."
}

check_users() {
  me=$(id -u) uid='' users=''
  [ "$me" != 0 ] || complete_passwd
  # shellcheck disable=SC2086 # separated by commas; there is nothing to glob in these characters
  IFS=', ' && set -- $usernames && unset IFS
  for username in "$@"; do
    case $username in
      '') continue ;;
      [-.]*) fail environment 'a username in SSH_USERNAMES begins with - or a dot.' ;;
    esac
    check_user "$username"
    users="$users $username"
  done
  [ -n "$users" ] || fail environment 'SSH_USERNAMES must be usernames, separated by commas.'
  gid=$(id -g "$username" 2>/dev/null) || gid=$entry_gid
  home=$entry_home
  [ -n "$home" ] || eval "home=~$username" # letters, digits, dots, _ and -, as all of SSH_USERNAMES
}

# libnss-wrapper hides /etc/passwd, and sshd as root wants the account that it drops to before a login.
complete_passwd() {
  [ -w "${NSS_WRAPPER_PASSWD-}" ] || return 0
  passwd_entry sshd
  [ -n "$entry_uid" ] || cat /etc/passwd >>"$NSS_WRAPPER_PASSWD"
}

# give PATH MODE: to the user of the sessions.
give() {
  [ "$me" != 0 ] || chown -h "$uid:$gid" "$1"
  chmod "$2" "$1"
}

# What a session left in its home may be a link by now, and we may be root.
user_directory() {
  if [ -L "$1" ] || ! [ -d "$1" ]; then rm -f "$1" && mkdir -p "$1"; fi
  give "$1" 0700
}

write_host_key() {
  [ -d "$runtime" ] || fail runtime-dir "$runtime is missing; a volume must be mounted there (SSH_RUNTIME_DIR)."
  line=''
  read -r line 2>/dev/null <"$secret/host-key" || :
  [ "$line" = '-----BEGIN OPENSSH PRIVATE KEY-----' ] ||
    fail secret "$secret/host-key is missing, cannot be read by uid $me, or is no OpenSSH private key."
  host_key=$runtime/ssh_host_ed25519_key
  # sshd refuses a host key that others can read. The directory is closed to others only by us, and only if we are root.
  if [ "$me" = 0 ]; then chmod go-w "$runtime"; fi
  { rm -f "$host_key" && (umask 077 && cat "$secret/host-key" >"$host_key"); } 2>/dev/null ||
    fail runtime-dir "uid $me cannot write $runtime; it must be a writable volume, such as an emptyDir."
}

# Two keys, while one gives way to the other.
mapping_keys() {
  while read -r line || [ -n "$line" ]; do
    case $line in
      'ssh-ed25519 '*) printf '%s\n' "$line" ;;
      *) return 1 ;;
    esac
  done <"$secret/mapping-key.pub"
}

write_authorized_keys() {
  if ! lines=$(mapping_keys 2>/dev/null) || [ -z "$lines" ]; then
    fail secret "$secret/mapping-key.pub is missing, cannot be read by uid $me, or is no ed25519 key."
  fi
  {
    user_directory "$runtime/home" && user_directory "${keys%/*}" && rm -rf "$keys" &&
      (umask 077 && printf '%s\n' "$lines" >"$keys") && give "$keys" 0600
  } 2>/dev/null || fail home "uid $me cannot write $keys for uid $uid."
}

# Reads lines of audit, and holds the configuration open: /proc/<pid>/fd/9 is there exactly as long as somebody reads.
start_logger() {
  config=$runtime/sshd_config.sshaccess
  rm -rf "$runtime/audit" "$config"
  { mkfifo "$runtime/audit" && give "$runtime/audit" 0600; } || fail runtime-dir "no FIFO can be made in $runtime."
  : >"$config"
  exec 9<"$config"
  (
    trap '' HUP INT QUIT
    exec </dev/null >&2
    while IFS= read -r line <&8; do printf '%s\n' "$line"; done 8<>"$runtime/audit"
  ) &
  logger=$!
  exec 9<&-
}

# --- the configuration ------------------------------------------------------------------------------------------------

forwarding_lines() {
  case $local_forwarding-$remote_forwarding in
    none-none) allow=no ;;
    loopback-none) allow=local ;;
    none-loopback) allow=remote ;;
    *) allow=yes ;;
  esac
  loopback='127.0.0.1:* [::1]:* localhost:*'
  printf '%s\n' "AllowTcpForwarding $allow" 'GatewayPorts no' "AllowStreamLocalForwarding $socket_forwarding" \
    "AllowAgentForwarding $agent_forwarding" "X11Forwarding $x11_forwarding"
  # A list of hosts is a list without sockets to sshd: then only the piper says which hosts.
  case $local_forwarding-$socket_forwarding in
    *-yes) ;;
    none-*) echo 'PermitOpen none' ;;
    *) echo "PermitOpen $loopback" ;;
  esac
  if [ "$remote_forwarding" = none ]; then echo '?PermitListen none'; else echo "?PermitListen $loopback"; fi
}

# sshd starts the passwd shell for our ForceCommand: SHLVL keeps bash from reading ~/.bashrc already there. Where only
# libnss-wrapper knows the uid, sessions get it too: whoami, git and ssh ask who they are.
environment_line() {
  printf '?SetEnv SHLVL=1'
  set -- "${LD_PRELOAD-}" "${NSS_WRAPPER_PASSWD-}" "${NSS_WRAPPER_GROUP-}"
  if only "$1" ": $PLAIN" 1024 && only "$2" "$PLAIN" 255 && only "$3" "$PLAIN" 255 && ! has_uid </etc/passwd; then
    printf ' LD_PRELOAD="%s" NSS_WRAPPER_PASSWD="%s" NSS_WRAPPER_GROUP="%s"' "$@"
  fi
  echo
}

# has_uid < PASSWD
has_uid() {
  while IFS=: read -r _ _ number _; do
    [ "$number" != "$uid" ] || return 0
  done
  return 1
}

# `?` marks what an old sshd may not know and we can do without, `?,` a list of which it may know some.
configuration() {
  if [ "$uid" = 0 ]; then permit_root=prohibit-password; else permit_root=no; fi
  # sshd looks at the modes of all directories up to the home, or else to the root, where a runtime directory that others
  # can write would end it. Not being root, it serves no uid but its own, whose files these are.
  strict=yes
  case $keys in "$home"/*) ;; *) [ "$me" = 0 ] || strict=no ;; esac
  printf '%s\n' \
    "# Made by $0 at each start of the container, from $secret." \
    "Port $port" "HostKey $host_key" "PidFile $runtime/sshd.pid" "AuthorizedKeysFile $keys" "StrictModes $strict" \
    'PubkeyAuthentication yes' 'AuthenticationMethods publickey' 'PasswordAuthentication no' \
    'HostbasedAuthentication no' "AllowUsers$users" "PermitRootLogin $permit_root" 'PermitEmptyPasswords no' \
    '?KbdInteractiveAuthentication no' '?ChallengeResponseAuthentication no' '?UsePAM no' \
    'PermitUserEnvironment no' '?PermitUserRC no' 'PermitTunnel no' 'Compression no' 'UseDNS no' \
    '?PrintMotd no' '?PrintLastLog no' 'MaxAuthTries 3' 'MaxSessions 64' 'LoginGraceTime 30' \
    'ClientAliveInterval 30' 'ClientAliveCountMax 4' \
    '# All users come from the address of the gateway: what counts by address counts all of them together.' \
    'MaxStartups 100:30:300' '?PerSourceMaxStartups none' '?PerSourcePenalties no' \
    '?PerSourcePenaltyExemptList 0.0.0.0/0,::/0' \
    '?HostKeyAlgorithms ssh-ed25519' \
    '# The first of these counts. The gateway knows mlkem768x25519; an sshd that does not has only curve25519 with it.' \
    '?KexAlgorithms mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com' \
    '?,KexAlgorithms mlkem768x25519-sha256,sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org' \
    '?,Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes128-ctr' \
    '?,MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com' \
    "VersionAddendum sshaccess-setup-1$bootstrap_mark" \
    "AcceptEnv SSHACCESS_*${client_environment:+ $client_environment}" \
    "Subsystem sftp $sftp_word" \
    "ForceCommand exec /bin/sh $runtime/ssh-session session $runtime $audit $logger $sftp_word $sftp_server"
  forwarding_lines
  environment_line
}

# sshd_says FILE: sets `said`; false where sshd would not start with this configuration.
sshd_says() {
  said=$("$sshd" -t -f "$1" 2>&1 </dev/null) || return 1
}

# Debian's sshd, as root, wants a directory that its service makes, which no container starts. The message names it.
make_privilege_separation_directory() {
  case $said in *'Missing privilege separation directory: '*) ;; *) return 1 ;; esac
  directory=${said##*directory: }
  directory=${directory%%[!"$PLAIN"]*}
  mkdir -p "$directory" && chmod 0755 "$directory"
}

# try_line BASE LINE: true where sshd takes the line without a word that it does not say of the base alone.
try_line() {
  (cat "$1" && printf '%s\n' "$2") >"$1.try"
  sshd_says "$1.try" && [ "$said" = "$base_said" ]
}

# known_of BASE OPTION LIST: prints `OPTION` with those of the list that this sshd knows.
known_of() {
  known=''
  IFS=,
  for algorithm in $3; do
    unset IFS
    if try_line "$1" "$2 $algorithm"; then known=$known${known:+,}$algorithm; fi
  done
  unset IFS
  [ -z "$known" ] || printf '%s %s\n' "$2" "$known"
}

# Writes what sshd takes of `configuration`: all of it where it can, else each line that it knows.
write_configuration() {
  base=$runtime/sshd_config.base
  configuration >"$config.all"
  while read -r line; do
    case $line in '?'*) ;; *) printf '%s\n' "$line" ;; esac
  done <"$config.all" >"$base"
  sshd_says "$base" || { make_privilege_separation_directory && sshd_says "$base"; } ||
    fail sshd-config "$sshd refuses its configuration: $(printf '%.300s' "$said" | tr -c ' -~' ' ')"
  base_said=$said
  while read -r line; do
    line=${line#'?'}
    printf '%s\n' "${line#,}"
  done <"$config.all" >"$base.try"
  if sshd_says "$base.try" && [ "$said" = "$base_said" ]; then
    cat "$base.try" >"$config"
  else
    known_lines >"$config"
  fi
  rm -f "$base" "$base.try" "$config.all"
}

known_lines() {
  cat "$base"
  while read -r line; do
    case $line in
      '?,'*) option=${line%% *} && known_of "$base" "${option#'?,'}" "${line#* }" ;;
      '?'*) if try_line "$base" "${line#'?'}"; then printf '%s\n' "${line#'?'}"; fi ;;
    esac
  done <"$config.all"
}

# The entrypoints of the contract run us only where there is no sshd_config yet. The volume outlives the container, and
# with it a file would; this link leads nowhere as soon as the container has ended, and so we run at each start.
publish() {
  rm -rf "$runtime/sshd_config"
  ln -s "/proc/$logger/fd/9" "$runtime/sshd_config"
  if ! cat "$runtime/sshd_config" >/dev/null 2>&1; then
    rm -f "$runtime/sshd_config"
    cat "$config" >"$runtime/sshd_config"
    say 'this container hides /proc; sshd is set up only once for each pod.'
  fi
}

# --- the bootstrap script ---------------------------------------------------------------------------------------------

# Runs a file as it is, or by the container's shell; a text by the shell, or, where it begins with #!, as a file.
run_script() {
  shell=/bin/bash
  [ -x "$shell" ] || shell=/bin/sh
  if [ -f "$1" ]; then
    case $1 in /*) script=$1 ;; *) script=./$1 ;; esac
    if [ -x "$script" ]; then "$script"; else "$shell" "$script"; fi
    return
  fi
  case $1 in
    '#!'*)
      rm -rf "$runtime/bootstrap"
      (umask 077 && printf '%s\n' "$1" >"$runtime/bootstrap")
      chmod 0700 "$runtime/bootstrap"
      "$runtime/bootstrap"
      ;;
    *) "$shell" -c "$1" ;;
  esac
}

bootstrap() {
  bootstrap_mark=''
  [ -n "${SSH_BOOTSTRAP_SCRIPT-}" ] || return 0
  status=0
  (run_script "$SSH_BOOTSTRAP_SCRIPT") </dev/null >&2 || status=$?
  [ "$status" != 0 ] || return 0
  [ "$required" = false ] ||
    fail bootstrap "the bootstrap script failed with exit code $status, and is required; mend it, or do not require it."
  say "the bootstrap script failed with exit code $status."
  bootstrap_mark=' sshaccess-bootstrap-failed'
}

set_up() {
  umask 022
  check_tools
  read_environment
  find_programs
  check_users
  write_host_key
  write_authorized_keys
  read_settings
  bootstrap
  start_logger
  rm -rf "$runtime/ssh-session" "$runtime/sshd.pid"
  cat "$0" >"$runtime/ssh-session"
  sftp_word=sshaccess-sftp-$(random_word)
  write_configuration
  publish
  say "sshd is set up on port $port for$users."
}

case ${1-} in
  session) shift && session "$@" ;;
  *) set_up ;;
esac
