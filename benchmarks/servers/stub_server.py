"""A small HTTP server in a thread, on loopback: a stand-in for a service, or for a receiver of traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Quiet(BaseHTTPRequestHandler):
    """Keeps connections open, and logs nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one write
    disable_nagle_algorithm = True  # no wait for the client's acknowledgement

    def get(self) -> None:
        """Answer a GET."""
        self.reply(404)

    def post(self, _body: bytes) -> None:
        """Answer a POST."""
        self.reply(404)

    def reply(self, status: int, body: bytes = b"", content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.get()

    def do_POST(self) -> None:
        self.post(self.rfile.read(int(self.headers["content-length"])))

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # with the default of 5, Linux drops connections, which retry after a second


@contextmanager
def listening(handler: type[Quiet]) -> Iterator[str]:
    """The address of a server that listens as long as the block. Clients close the connections that they keep."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
