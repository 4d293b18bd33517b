"""A cache that cannot be used: the server compiles instead, says so once, and serves."""

import os
import subprocess

import pytest
from conftest import refusal, e2bird
from server.conftest import pair_document

TEXT = """
server: {port: 0, threads: 1}
device: {select: cpu, cache_folder: "%s"}
models: [{name: pair, path: pair.onnx, slots: 8, batch_sizes: [1, 4]}]
"""


def check_serves(server):
    code, _, body = server.infer("pair", pair_document())
    assert code == 200 and b'"sum"' in body
    assert server.stop() == 0


def warnings(server):
    return [line for line in server.lines if " WARN " in line]


def fill(serve, folder):
    server = serve(TEXT % folder)
    check_serves(server)
    assert not warnings(server), server.lines
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder"])
def test_damaged(serve, tmp_path, damage):
    files = fill(serve, tmp_path)
    assert files
    for path in files:
        data = path.read_bytes()
        middle = len(data) // 2
        if damage == "flip":
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :])
        elif damage == "cut":
            path.write_bytes(data[:middle])
        elif damage == "empty":
            path.write_bytes(b"")
        else:
            path.unlink()
            path.mkdir()
    server = serve(TEXT % tmp_path)
    check_serves(server)
    assert 1 <= len(warnings(server)) <= 3, server.lines  # of programs, tuning, durations
    if damage != "folder":  # what was damaged is whole again
        server = serve(TEXT % tmp_path)
        check_serves(server)
        assert not warnings(server), server.lines


def test_durations_are_kept(serve, tmp_path):
    other = "{name: other, path: pair.onnx, slots: 4, batch_sizes: [1, 2]}"
    two = TEXT.replace("models: [", f"models: [{other}, ")
    server = serve(two % tmp_path)
    check_serves(server)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "profiles").iterdir()}
    assert sorted(path.suffix for path in kept) == [".beside"] * 2 + [".profile"] * 2
    server = serve(two % tmp_path)
    check_serves(server)
    if not any("measuring again" in line for line in server.lines):  # the machine was as busy
        assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "profiles").iterdir()}


def test_not_a_folder(serve, tmp_path):
    (tmp_path / "file").write_text("x")
    server = serve(TEXT % (tmp_path / "file"))
    check_serves(server)
    assert 1 <= len(warnings(server)) <= 3, server.lines
    assert (tmp_path / "file").read_text() == "x"


def unprivileged(tmp_path):
    """A prefix without root's right to write anywhere."""
    if os.geteuid() != 0:
        return []
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534",
              "--regid=65534", "--clear-groups"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no setpriv to give root's rights up with")
    for path in [tmp_path, *tmp_path.parents[:-2]]:
        path.chmod(path.stat().st_mode | 0o055)
    return prefix


def test_read_only(serve, folder, tmp_path):
    prefix = unprivileged(tmp_path)
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o555)
    config = folder / "drain_10.yaml"
    folder.chmod(0o755)
    environment = {"HOME": "/nowhere", "POCL_CACHE_DIR": str(tmp_path / "pocl")}
    (tmp_path / "pocl").mkdir()
    (tmp_path / "pocl").chmod(0o777)
    config.write_text("")
    server = serve(TEXT % cache, prefix=prefix, environment=environment)
    check_serves(server)
    assert 1 <= len(warnings(server)) <= 2 and not list(cache.iterdir()), server.lines


def test_full_disk(serve, tmp_path):
    """A file system of 64 KiB."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "e2b-test", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small file system")
    try:
        (small / "filler").write_bytes(b"x" * (64 << 10))
        server = serve(TEXT % small)
        check_serves(server)
        assert 1 <= len(warnings(server)) <= 2, server.lines
        left = [path for path in small.rglob("*") if path.is_file() and path.name != "filler"]
        assert not left, left
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_output_folder_that_takes_nothing(folder, tmp_path):
    import numpy as np

    np.save(tmp_path / "x.npy", np.ones((1, 4), np.float32))
    given = [f"--input={name}={tmp_path}/x.npy" for name in "ab"]
    arguments = [part for one in given for part in one.split("=", 1)]
    line = refusal(e2bird("run", folder / "pair.onnx", *arguments, "--device", "cpu",
                          "--output-dir", "/proc"))
    assert "/proc/sum.npy" in line
