#!/usr/bin/env python3
"""Comments: a small application beside Encke, in Python's standard library.

    python3 demos/comments/app.py
    encke serve --config demos/comments/encke.toml

Readers send comments to this application. It checks and keeps them, and tells all open pages through Encke, with a key that only
it has. It makes that key, and a configuration with the key's hash, whenever it starts: start Encke after it.
"""

import argparse
import hashlib
import json
import secrets
import sys
from collections import OrderedDict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

HERE = Path(__file__).resolve().parent
CONFIG = """\
# Written by app.py each time it starts.
listen = "{listen}"

[doors]
origins = ["{origin}"]   # the pages of the application
callback_polling = true   # so that the page can show that this door is no way around the rules, either

# Everybody may read comments.
[[rights.rule]]
who = ["anyone"]
may = ["subscribe", "history"]
channels = ["/comments/*"]

# The application may publish them, and nobody else: what no rule allows is denied. Its key stays with it; this is the hash.
[[key]]
name = "comments-application"
sha256 = "{sha256}"
may = ["publish"]
channels = ["/comments/*"]
"""

# What pages may ask for: the files of this demo, by their paths in the repository.
FILES = {f"/demos/{name}": HERE.parent / name for name in ("comments/comments.js", "comments/app.py", "design.css", "page.js", "mark.svg")}
FILES |= {"/demos/comments/": HERE / "index.html", "/encke.js": HERE.parent.parent / "client" / "encke.js"}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
COMMENTS_URL = "/demos/comments/on/"
PAGES, COMMENTS, BODY, NAME, TEXT = 1000, 100, 8192, 40, 2000  # bounds: pages, comments of each, bytes, letters

encke = key = ""
pages = OrderedDict()  # name of a page -> its comments, oldest first
lock = Lock()


def publish(page, comment):
    """Tells every reader of a page. This is all that an application needs of Encke."""
    request = Request(
        f"{encke}/channels/comments/{page}",
        data=json.dumps(comment).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    urlopen(request, timeout=5).close()


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/":
            self.answer(302, b"", headers={"Location": "demos/comments/"})
        elif path in FILES:
            file = FILES[path]  # the page is told where Encke is
            text = file.read_text().replace("<html ", f'<html data-encke="{encke}" ', file.suffix == ".html")
            self.answer(200, text.encode(), TYPES.get(file.suffix, "text/plain") + "; charset=utf-8")
        elif page := self.page(path):
            with lock:
                self.json(200, {"comments": list(pages.get(page, ()))})
        else:
            self.json(404, {"error": "nothing is here"})

    def do_POST(self):
        if not 0 < (length := int(self.headers.get("Content-Length") or 0)) <= BODY:
            self.close_connection = True
            return self.json(413, {"error": f"a comment has at most {BODY} bytes"})
        body = self.rfile.read(length)
        # A page of another site cannot send this type without being asked who it is.
        if self.headers.get_content_type() != "application/json" or not (page := self.page(urlsplit(self.path).path)):
            return self.json(400, {"error": "a comment is JSON and goes to the page that it is about"})
        try:
            name, text = (str(json.loads(body)[field]).strip() for field in ("name", "text"))
        except (ValueError, TypeError, KeyError):
            return self.json(400, {"error": "a comment has a name and a text"})
        if not 0 < len(name) <= NAME or not 0 < len(text) <= TEXT:
            return self.json(400, {"error": f"a name has 1 to {NAME} letters, a text 1 to {TEXT}"})
        comment = {"id": secrets.token_hex(8), "name": name, "text": text}
        with lock:
            pages.setdefault(page, deque(maxlen=COMMENTS)).append(comment)
            while len(pages) > PAGES:
                pages.popitem(last=False)
        try:
            publish(page, comment)
        except OSError as error:  # it is kept all the same, and seen by whoever opens the page
            why = error.read().decode().strip() if isinstance(error, HTTPError) else ""
            print(f"a comment was not published: {error} {why}", file=sys.stderr, flush=True)
        self.json(201, comment)

    def page(self, path):
        name = path.removeprefix(COMMENTS_URL)
        return name if name != path and name.isascii() and name.isalnum() and len(name) <= NAME else None

    def json(self, status, value):
        self.answer(status, json.dumps(value).encode(), "application/json")

    def answer(self, status, body, kind="text/plain", headers={}):
        socket = encke.replace("http", "ws", 1)
        policy = f"default-src 'self'; script-src 'self' {encke}; connect-src 'self' {encke} {socket}; worker-src blob:; base-uri 'none'"
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-cache", "Content-Security-Policy": policy}
        self.send_response(status)
        for name, value in (fields | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # what each page asks for is of no interest here


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Comments: a small application beside Encke")
    options.add_argument("--port", type=int, default=8000, help="where to serve the page, on 127.0.0.1")
    options.add_argument("--encke", default="http://127.0.0.1:8080", help="where Encke will be")
    options.add_argument("--config", type=Path, default=HERE / "encke.toml", help="the configuration to write for it")
    given = options.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Application)
    origin = f"http://127.0.0.1:{server.server_port}"
    encke, key = given.encke, "encke_" + secrets.token_urlsafe(32)
    listen, sha256 = urlsplit(encke).netloc, hashlib.sha256(key.encode()).hexdigest()
    given.config.write_text(CONFIG.format(listen=listen, origin=origin, sha256=sha256))
    print(f"comments  {origin}/\nnow run   encke serve --config {given.config}", flush=True)
    server.serve_forever()

