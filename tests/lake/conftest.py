"""Fixtures of the lake's tests: a web server of one's own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Web:
    """What a server on 127.0.0.1 answers. pages: path -> bytes, or a function of the handler that answers itself.

    asked: (path, headers) of each request. url: of the root. types: path -> media type.
    """

    def __init__(self):
        self.pages, self.types, self.asked = {}, {}, []
        # Handlers that hang wait for this.
        self.over = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                web.asked.append((path, dict(self.headers)))
                page = web.pages.get(path)
                if callable(page):
                    page(self)
                elif page is None:
                    self.answer(404)
                else:
                    self.answer(200, page, {"Content-Type": web.types.get(path, "application/octet-stream")})

            def answer(self, status, body=b"", headers=None, length=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web():
    """A web server on 127.0.0.1."""
    served = Web()
    yield served
    served.close()


@pytest.fixture
def other_web():
    """Another one."""
    served = Web()
    yield served
    served.close()
