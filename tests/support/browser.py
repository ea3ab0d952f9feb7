"""Opens pages in a headless Chromium, of an npm package with a pinned hash.

It has 68 MB. `.venv/bin/python -m tests.support.browser` fetches it into the cache.
"""

import hashlib
import json
import queue
import subprocess
import tarfile
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from tools.localcloud.servers.binaries import cache

PACKAGE = "@sparticuz/chromium@147.0.0"
SHA512 = (
    "e1929e01041af2ea769adebbe6a4a2b73b4b75b42b95ff0129d0b99da79aa7ee"
    "4cbf5395d4e94974fa14f84242fe9e6c414254426378afeab9f8485a68e507a5"
)
FETCH_SECONDS = 120
PAGE_SECONDS = 20
UNPACK = "fs.writeFileSync(process.argv[2], zlib.brotliDecompressSync(fs.readFileSync(process.argv[1])))"


def chromium() -> Path:
    """Return where Chromium's program is, if it was fetched."""
    return cache() / PACKAGE.replace("/", "-") / "chromium"


def fetch() -> None:
    """Fetch Chromium, for Linux on x86-64, with npm and Node.js."""
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        _fetch(Path(scratch)).rename(chromium().parent)


def _fetch(scratch: Path) -> Path:
    """Return a folder with the program."""
    _run(scratch, "npm", "pack", "--silent", PACKAGE)
    [archive] = scratch.glob("*.tgz")
    found = hashlib.sha512(archive.read_bytes()).hexdigest()
    assert found == SHA512, f"{PACKAGE} has another hash: {found}"
    with tarfile.open(archive) as packed:
        packed.extract("package/bin/chromium.br", scratch, filter="data")
    (scratch / "ready").mkdir()
    _run(scratch, "node", "-e", UNPACK, "package/bin/chromium.br", "ready/chromium")
    (scratch / "ready/chromium").chmod(0o755)
    return scratch / "ready"


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS)


class Site(ThreadingHTTPServer):
    """Serves a page, and keeps what it reports and which other requests arrive; every page may read the answers."""

    daemon_threads = True

    def __init__(self, page: str) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.page = page.encode()
        self.requests: list[tuple[str, str]] = []
        self.reports: queue.Queue[Any] = queue.Queue()
        Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        self.shutdown()
        super().server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Visit(BaseHTTPRequestHandler):
    server: Site

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if path == "/report":
            self.server.reports.put(json.loads(body))
        elif path != "/page":
            self.server.requests.append((self.command, path))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        for name in ("Origin", "Headers"):
            self.send_header(f"Access-Control-Allow-{name}", "*")
        self.end_headers()
        self.wfile.write(self.server.page if path == "/page" else b"read")

    do_GET = do_POST = do_OPTIONS = _answer  # noqa: N815 (names of http.server)

    def log_message(self, *_: object) -> None:
        pass


def visit(program: Path, site: Site, query: str, *switches: str) -> Any:
    """Open the site's page, and return what it reports."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Without its sandbox, which root cannot have: it opens our page only.
        browser = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *switches,
             f"{site.url}/page?{query}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return site.reports.get(timeout=PAGE_SECONDS)
        finally:
            browser.terminate()
            browser.wait(PAGE_SECONDS)


if __name__ == "__main__" and not chromium().exists():
    fetch()
