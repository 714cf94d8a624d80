"""AsyncSSH: what programs built on it do. Arguments: host, port, user, key, a folder of this machine."""

import asyncio
import os
import pathlib
import sys

import asyncssh

host, port, user, key, folder = sys.argv[1:]


async def use(connection):
    done = await connection.run("cat; echo no >&2; exit 3", input="y" * 100_000)
    assert (len(done.stdout), done.stderr, done.exit_status) == (100_000, "no\n", 3)

    here = pathlib.Path(folder)
    (here / "asyncssh").write_bytes(os.urandom(5_000_000))
    async with connection.start_sftp_client() as sftp:
        await sftp.put(here / "asyncssh", "/data/asyncssh")
        await sftp.get("/data/asyncssh", here / "asyncssh.back")
        assert (here / "asyncssh").read_bytes() == (here / "asyncssh.back").read_bytes()
        assert (await sftp.stat("/data/asyncssh")).size == 5_000_000
        assert (await sftp.statvfs("/data")).bsize > 0
        await sftp.posix_rename("/data/asyncssh", "/data/asyncssh-2")
        await sftp.remove("/data/asyncssh-2")
        assert await sftp.realpath(".") == "/root"

    script = "import socket; s = socket.create_server(('127.0.0.1', 18221)); print(flush=True); s.accept()[0].sendall(b'it is me'); s.accept()"
    server = await connection.create_process(f'python3 -c "{script}"')
    await server.stdout.readline()
    listener = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", 18221)
    reader, _ = await asyncio.open_connection("127.0.0.1", listener.get_port())
    assert await reader.read() == b"it is me"
    server.send_signal("TERM")
    assert (await server.wait()).exit_signal[0] == "TERM"

    try:
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1)
        raise AssertionError("remote forwarding was allowed")
    except asyncssh.ChannelListenError:
        pass

    # Three of its keepalives, and it is still there.
    await asyncio.sleep(3)
    assert (await connection.run("echo alive")).stdout == "alive\n"


async def main():
    alive = {"keepalive_interval": 1, "keepalive_count_max": 2}
    login = {"username": user, "client_keys": [key], "known_hosts": None, "config": None}
    async with asyncssh.connect(host, int(port), **login, **alive) as connection:
        await use(connection)
    print("passed")


asyncio.run(main())
