"""A cluster in one process: the part of the interface of Kubernetes that the executor plugin uses.

A job is run as its pod would run it, in a folder of its own on this machine, so the volume that the
pods of a real cluster mount is here the disk itself.
"""

import base64
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Cluster(ThreadingHTTPServer):
    """Takes secrets and jobs, and tells how jobs ended.

    Parameters
    ----------
    folder
        For the working folders of the pods and their output.
    environment
        Variables of the pods beside the secrets.
    """

    daemon_threads = True

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.environment = environment
        self.secrets: dict[str, dict[str, str]] = {}
        self.codes: dict[str, int | None] = {}
        """Job → exit code of its pod; ``None`` while it runs."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def config(self) -> Path:
        """A file for KUBECONFIG that names this cluster."""
        path = self.folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": self.address}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "here",
        }
        path.write_text(json.dumps(content))
        return path

    def start_pod(self, job: dict[str, Any]) -> None:
        """Run the container of a job."""
        name = job["metadata"]["name"]
        self.codes[name] = None
        threading.Thread(target=self._run, args=(name, job), daemon=True).start()

    def output(self) -> str:
        """What all pods have printed."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _run(self, name: str, job: dict[str, Any]) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        environment = dict(self.environment)
        for variable in container.get("env") or []:
            told = variable["valueFrom"]["secretKeyRef"]
            value = base64.b64decode(self.secrets[told["name"]][told["key"]])
            environment[variable["name"]] = value.decode()
        workdir = self.folder / name
        workdir.mkdir()
        with (self.folder / f"{name}.log").open("w") as log:
            command = [*container["command"], *container["args"]]
            done = subprocess.run(
                command, cwd=workdir, env=environment, stdout=log, stderr=log, check=False
            )
        self.codes[name] = done.returncode


class _Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/secrets"):
            self.server.secrets[content["metadata"]["name"]] = content["data"]
        elif self.path.endswith("/jobs"):
            self.server.start_pod(content)
        self._answer(content)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/pods"):
            self._answer({"items": []})
            return
        name = path.split("/")[-2]  # .../jobs/NAME/status
        code = self.server.codes[name]
        status = {} if code is None else {"failed": 1} if code else {"succeeded": 1}
        self._answer({"metadata": {"name": name}, "status": status})

    def do_DELETE(self) -> None:
        self._answer({"status": "Success"})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
