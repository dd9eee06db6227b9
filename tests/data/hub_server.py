"""A hub on this computer: what the library asks of huggingface.co for one data set, from a folder."""

import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "5" * 40


@contextmanager
def serving(folder, name="owner/name"):
    """Serves `folder` as the data set `name`.

    Gives the server, with its `url`, what was `asked`, and the ending of what it `refuses`.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(Path(folder), name))
    server.daemon_threads = True
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.asked, server.refuses = [], "nothing"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handler(folder, name):
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}

    def entry(path):
        if path in files:
            return {"type": "file", "path": path, "size": files[path].stat().st_size, "oid": etag(path)}
        return {"type": "directory", "path": path, "oid": "0" * 40}

    def etag(path):
        return hashlib.sha1(files[path].read_bytes()).hexdigest()

    def folders():
        return {parent.as_posix() for path in files for parent in Path(path).parents if parent.as_posix() != "."}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, body, status=200, **headers):
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), str(value))
            self.send_header("X-Repo-Commit", COMMIT)
            if "Content_Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def json(self, value):
            self.answer(json.dumps(value).encode(), Content_Type="application/json")

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            self.server.asked.append((self.command, path, self.headers.get("Range")))
            if path.endswith(self.server.refuses):
                self.answer(b"", 403)
            elif path.startswith(f"/api/datasets/{name}/tree/{COMMIT}"):
                below = path.removeprefix(f"/api/datasets/{name}/tree/{COMMIT}").strip("/")
                recursive = "recursive=true" in self.path.lower()
                listed = [
                    entry(one)
                    for one in sorted({*files, *folders()})
                    if one != below
                    and (not below or one.startswith(f"{below}/"))
                    and (recursive or "/" not in one.removeprefix(f"{below}/" if below else ""))
                ]
                self.json(listed)
            elif path in (f"/api/datasets/{name}", f"/api/datasets/{name}/revision/{COMMIT}") or path == (
                f"/api/datasets/{name}/revision/main"
            ):
                self.json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files], "tags": []})
            elif path.startswith(f"/datasets/{name}/resolve/"):
                self.file(path.removeprefix(f"/datasets/{name}/resolve/").partition("/")[2])
            else:
                self.answer(b"{}", 404, X_Error_Code="EntryNotFound")

        def do_HEAD(self):
            self.do_GET()

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            path = unquote(urlsplit(self.path).path)
            self.server.asked.append((self.command, path, body))
            if path == f"/api/datasets/{name}/paths-info/{COMMIT}":
                wanted = json.loads(body)["paths"] if body.startswith("{") else [unquote(body.partition("paths=")[2])]
                self.json([entry(one) for one in wanted if one in files or one in folders()])
            else:
                self.answer(b"{}", 404, X_Error_Code="EntryNotFound")

        def file(self, path):
            if path not in files:
                return self.answer(b"", 404, X_Error_Code="EntryNotFound")
            data = files[path].read_bytes()
            wanted = self.headers.get("Range")
            if wanted is None:
                return self.answer(data, ETag=f'"{etag(path)}"', Content_Length=len(data))
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            part = data[int(first) : int(last) + 1]
            return self.answer(part, 206, ETag=f'"{etag(path)}"', Content_Range=f"bytes {first}-{last}/{len(data)}")

    return Handler
