"""Bad files for the command, and servers with a configuration of the test's own."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from server.conftest import COMMAND, Server, make_fixed, make_pair, make_slow  # noqa: E402


def e2bird(*arguments, **options):
    """Run the command, which must end by itself; returns its CompletedProcess."""
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True,
                          errors="replace",
                          timeout=120, **options)


def refusal(result):
    """The one line that says why the command failed."""
    assert result.returncode in (1, 2), (result.returncode, result.stderr)
    lines = [line for line in result.stderr.splitlines() if line.startswith("e2bird")]
    assert len(lines) == 1 and result.stderr.splitlines()[-1] == lines[0], result.stderr
    return lines[0]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_pair(folder / "pair.onnx")
    make_fixed(folder / "fixed.onnx")
    make_slow(folder / "slow.onnx")
    return folder


@pytest.fixture
def serve(folder):
    """Starts servers; what a test leaves running is killed."""
    servers = []

    def start(text, **options):
        servers.append(Server(folder, text=text, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.child.poll() is None:
            server.child.kill()
            server.child.wait()
