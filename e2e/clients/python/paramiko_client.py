"""Paramiko: what programs built on it do. Arguments: host, port, user, key, a folder of this machine."""

import hashlib
import os
import sys
import time

import paramiko

host, port, user, key, folder = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect(host, int(port), user, key_filename=key, allow_agent=False, look_for_keys=False)
transport = client.get_transport()
transport.set_keepalive(1)

stdin, stdout, stderr = client.exec_command("cat; echo no >&2; exit 3")
stdin.write(b"x" * 100_000)
stdin.channel.shutdown_write()
assert stdout.read() == b"x" * 100_000
assert stderr.read() == b"no\n"
assert stdout.channel.recv_exit_status() == 3


def read_all(channel):
    received = b""
    while chunk := channel.recv(32768):
        received += chunk
    return received


shell = transport.open_session()
shell.get_pty("xterm", 100, 40)
shell.invoke_shell()
shell.send(b"stty size; exit\n")
assert b"40 100" in read_all(shell)

data = os.urandom(5_000_000)
digest = hashlib.sha256(data).hexdigest()
sftp = client.open_sftp()
with sftp.open("/data/paramiko", "wb") as file:
    file.set_pipelined(True)
    file.write(data)
with sftp.open("/data/paramiko") as file:
    file.prefetch()
    assert hashlib.sha256(file.read()).hexdigest() == digest
sftp.posix_rename("/data/paramiko", "/data/paramiko-2")
sftp.chmod("/data/paramiko-2", 0o600)
stdin, stdout, stderr = client.exec_command("stat -c %a /data/paramiko-2; sha256sum </data/paramiko-2")
assert stdout.read().decode() == f"600\n{digest}  -\n"
assert "paramiko-2" in sftp.listdir("/data")
sftp.remove("/data/paramiko-2")

server = "import socket; s = socket.create_server(('127.0.0.1', 18220)); print(flush=True); s.accept()[0].sendall(b'it is me')"
stdin, stdout, stderr = client.exec_command(f'python3 -c "{server}"')
stdout.readline()
assert read_all(transport.open_channel("direct-tcpip", ("127.0.0.1", 18220), ("127.0.0.1", 1))) == b"it is me"

# Three of its keepalives, and it is still there.
time.sleep(3)
assert transport.is_active()
client.close()
print("passed")
