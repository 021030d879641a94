"""Stands in for a chat in the Compose stack: prints what Alertmanager sends it.

docker compose -f deploy/compose.yaml logs --follow pager
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Pager(BaseHTTPRequestHandler):
    """Takes messages in Slack's format, and webhooks."""

    def do_GET(self) -> None:
        """Say that it is there."""
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        """Print a message; a webhook's says the same once more and is taken in silence."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for part in message.get("attachments", ()):
            sys.stdout.write(f"{part.get('title', '')}\n{part.get('text', '').strip()}\n\n")
        sys.stdout.flush()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing of requests."""


ThreadingHTTPServer(("", 9099), Pager).serve_forever()
