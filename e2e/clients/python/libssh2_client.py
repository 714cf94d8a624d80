"""libssh2 1.11, by ssh2-python. Arguments: host, port, user, key, a folder of this machine."""

import os
import socket
import sys

from ssh2.session import Session
from ssh2.sftp import LIBSSH2_FXF_CREAT, LIBSSH2_FXF_READ, LIBSSH2_FXF_TRUNC, LIBSSH2_FXF_WRITE

host, port, user, key, folder = sys.argv[1:]
session = Session()
session.handshake(socket.create_connection((host, int(port))))
session.userauth_publickey_fromfile(user, key)

channel = session.open_session()
channel.execute("echo out; exit 3")
assert channel.read()[1] == b"out\n"
channel.wait_eof()
channel.close()
channel.wait_closed()
assert channel.get_exit_status() == 3

data = os.urandom(1_000_000)
sftp = session.sftp_init()
with sftp.open("/data/libssh2", LIBSSH2_FXF_CREAT | LIBSSH2_FXF_WRITE | LIBSSH2_FXF_TRUNC, 0o644) as file:
    file.write(data)
with sftp.open("/data/libssh2", LIBSSH2_FXF_READ, 0) as file:
    assert b"".join(chunk for _, chunk in file) == data
sftp.unlink("/data/libssh2")
session.disconnect()
print("passed")
