"""Runs without ct2zarr: serve a folder over HTTP, show a plane in Neuroglancer, print its greys.

Usage: show_in_neuroglancer.py FOLDER SOURCE OPTIONS

SOURCE is a data source of Neuroglancer in which BASE stands for the address of the folder. OPTIONS
is JSON: scales_mm, position (in voxels of these scales), size (pixels), pixels_per_voxel, range
(HU). Prints the address to open in a browser, then, when that has drawn everything, the paths that
were fetched, and the red and grey values of the picture.
"""

import functools
import http.server
import io
import json
import sys
import threading
from pathlib import Path

import neuroglancer
import numpy as np
from PIL import Image

SHADER = "#uicontrol invlerp norm(range=[{0}, {1}])\nvoid main() {{ emitGrayscale(norm()); }}"
fetched = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves files with byte ranges to pages from any origin, like any file server."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder, *arguments):
        self.folder = folder
        super().__init__(*arguments)

    def do_GET(self):
        path = Path(self.folder) / self.path.lstrip("/")
        if not path.is_file():
            self.answer(404, b"")
            return
        fetched.append(self.path)
        data = path.read_bytes()
        wanted = self.headers.get("Range")
        if wanted is None:
            self.answer(200, data)
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else max(len(data) - int(last), 0)
        stop = min(int(last) + 1, len(data)) if first and last else len(data)
        span = f"bytes {start}-{stop - 1}/{len(data)}"
        self.answer(206, data[start:stop], {"Content-Range": span})

    do_HEAD = do_GET  # noqa: N815

    def do_OPTIONS(self):
        self.answer(200, b"", {"Access-Control-Allow-Headers": "*"})

    def answer(self, code, data, headers=None):
        self.send_response(code)
        always = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "*",
            "Content-Length": str(len(data)),
            "Accept-Ranges": "bytes",
        }
        for name, value in {**always, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Log nothing."""


folder, source, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, folder))
threading.Thread(target=server.serve_forever, daemon=True).start()
neuroglancer.set_server_bind_address("127.0.0.1")
viewer = neuroglancer.Viewer()
with viewer.txn() as state:
    state.dimensions = neuroglancer.CoordinateSpace(
        names=["x", "y", "z"], units="mm", scales=options["scales_mm"]
    )
    state.position = options["position"]
    state.layers["ct"] = neuroglancer.ImageLayer(
        source=source.replace("BASE", f"http://127.0.0.1:{server.server_port}"),
        shader=SHADER.format(*options["range"]),
    )
    state.layout = "xy"
    state.cross_section_scale = 1 / options["pixels_per_voxel"]
    state.show_scale_bar = state.show_axis_lines = state.show_slices = False
    state.show_default_annotations = False
    state.cross_section_background_color = "#ff0000"
print(viewer.get_viewer_url(), flush=True)
picture = viewer.screenshot(size=options["size"]).screenshot.image
pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
print(
    json.dumps(
        {"fetched": fetched, "red": pixels[..., 0].tolist(), "grey": pixels[..., 1].tolist()}
    )
)
