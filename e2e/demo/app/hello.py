"""The demo's app: it greets in its log, and over HTTP on a port that only the pod itself reaches."""

import http.server
import os
import pathlib
import threading
import time

GREETING = os.environ.get("GREETING", "hello")


class Greet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{GREETING} from {os.uname().nodename}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def greet_for_ever():
    while True:
        print(f"{GREETING} {time.strftime('%H:%M:%S')}", flush=True)
        time.sleep(30)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Greet)
threading.Thread(target=greet_for_ever, daemon=True).start()
pathlib.Path("/tmp/ready").touch()
server.serve_forever()
