"""The API: counts visits."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from database import ask


class Visits(BaseHTTPRequestHandler):
    """Answers every path."""

    def do_GET(self):
        """Count a visit, except for the health check."""
        if self.path == "/health":
            text = f"{ask('PING')}\n"
        else:
            text = f"visit {ask('INCR', 'visits')}, schema {ask('GET', 'schema')}\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


print("listening on :8080", flush=True)
ThreadingHTTPServer(("", 8080), Visits).serve_forever()
