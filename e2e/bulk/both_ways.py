"""Sends its stdin over a TCP connection on loopback, and prints the SHA-256 of what comes the other way.

Arguments: listen or connect, and a port.
"""

import hashlib
import socket
import sys
import threading

role, port = sys.argv[1], int(sys.argv[2])
if role == "listen":
    listener = socket.create_server(("127.0.0.1", port))
    print("listening", flush=True)
    peer, _ = listener.accept()
else:
    peer = socket.create_connection(("127.0.0.1", port))


def send():
    while chunk := sys.stdin.buffer.read1(1 << 18):
        peer.sendall(chunk)
    peer.shutdown(socket.SHUT_WR)


threading.Thread(target=send).start()
digest = hashlib.sha256()
while chunk := peer.recv(1 << 18):
    digest.update(chunk)
print(digest.hexdigest())
