"""Engines in processes of their own, which answer one request at a time."""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Failed(Exception):
    """An engine refused a request, or ended; the text says which and why."""


class Worker:
    """`cpus`: the processors that it may use, None for all. `prefix`: a command that runs it."""

    def __init__(self, name, command, cpus=None, environment=None, prefix=()):
        self.name = name
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [str(part) for part in (*prefix, *command)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env={**os.environ, **(environment or {})},
            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None)
        try:
            open_ns, self.identity = self._answer().split(maxsplit=1)
        except Failed:
            self.close()
            raise
        self.open_ns = int(open_ns)
        self.pid = self._process.pid

    def ask(self, *words):
        """The numbers that the engine answers."""
        try:
            print(*words, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # why it ended is found on reading
        return [int(word) for word in self._answer().split()]

    def _answer(self):
        line = self._process.stdout.readline()
        status, _, rest = line.rstrip("\n").partition(" ")
        if status == "ok":
            return rest
        raise Failed(f"{self.name}: {rest or self._last_words()}")

    def _last_words(self):
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended with status {status}: {lines[-1] if lines else 'no message'}"

    def peak_bytes(self):
        """Most memory that was resident since the start or forget_peak()."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
        return 0

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)  # it may keep what it compiled
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def e2bird(name, worker, path, precision, device, variant=None, **options):
    """`variant`: the only one that its operator may take."""
    return Worker(name, [worker, path, precision, device, *([variant] if variant else [])],
                  **options)


def peer(name, path, precision, threads, **options):
    return Worker(name, [sys.executable, HERE / "peer.py", name, path, precision, threads],
                  **options)
