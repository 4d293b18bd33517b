"""Counts the instructions that a worker retires in user mode in one inference: by perf where the
processor counts for it, else by valgrind, under which a worker is some 100 times slower (with
valgrind 3.24; 2000 times with 3.19) and sees a processor without AVX-512, whatever it has.

A worker that is to be counted starts with a counter's `prefix(folder)` before its command and is
prepared; `count(worker, folder)` lets it run then. Start and preparation are not counted."""

import re
import shutil
import subprocess
import tempfile
import time

from workers import Failed


class Unavailable(Exception):
    """Nothing counts on this machine; the text says why."""


class Perf:
    name = "perf"
    _RUNS, _EVENT = 5, ("-x", ",", "-e", "instructions:u")

    @staticmethod
    def prefix(_folder):
        return []

    @classmethod
    def missing(cls):
        """Why it cannot count here; None if it can."""
        if not shutil.which("perf"):
            return "perf is not installed"
        done = subprocess.run(["perf", "stat", *cls._EVENT, "true"], capture_output=True, text=True)
        return None if cls._counts(done.stderr) else "perf finds no counter in the processor"

    @classmethod
    def count(cls, worker, _folder):
        """The mean of some runs."""
        with tempfile.NamedTemporaryFile("r") as file:
            # It counts as long as the command that it is given runs: until its input ends.
            perf = subprocess.Popen(["perf", "stat", *cls._EVENT, "-p", str(worker.pid), "-o",
                                     file.name, "cat"], stdin=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            time.sleep(0.5)
            try:
                runs = len(worker.ask("run", cls._RUNS))
            finally:
                perf.communicate()
            counts = cls._counts(file.read())
        if not counts:
            raise Failed(f"{worker.name}: perf counted nothing")
        return int(counts[0]) / runs

    @staticmethod
    def _counts(text):
        return re.findall(r"^(\d+),+instructions", text, re.MULTILINE)


class Valgrind:
    name = "valgrind"
    # An engine may have threads that work beside its inference: the least of some runs counts, or
    # a single one of so many instructions that they do not matter.
    _RUNS, _MANY = 5, 500_000_000

    @staticmethod
    def prefix(folder):
        return ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
                f"--callgrind-out-file={folder}/counts.%p", f"--vgdb-prefix={folder}/vgdb"]

    @staticmethod
    def missing():
        there = shutil.which("valgrind") and shutil.which("vgdb")
        return None if there else "valgrind is not installed"

    @classmethod
    def count(cls, worker, folder):
        counts = [cls._count_run(worker, folder)]
        while len(counts) < cls._RUNS and counts[0] < cls._MANY:
            counts.append(cls._count_run(worker, folder))
        return min(counts)

    @classmethod
    def _count_run(cls, worker, folder):
        cls._tell(worker, folder, "instrumentation", "on")
        worker.ask("run", 1)
        cls._tell(worker, folder, "dump")
        cls._tell(worker, folder, "instrumentation", "off")
        (dump,) = folder.glob(f"counts.{worker.pid}.*")  # each has a number of its own
        text = dump.read_text()
        dump.unlink()
        return int(re.search(r"^totals: (\d+)", text, re.MULTILINE).group(1))

    @staticmethod
    def _tell(worker, folder, *words):
        command = ["vgdb", f"--vgdb-prefix={folder}/vgdb", f"--pid={worker.pid}", *words]
        try:
            subprocess.run(command, capture_output=True, check=True, text=True, timeout=300)
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines() or ["no message"]
            raise Failed(f"{worker.name}: vgdb: {lines[-1]}") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{worker.name}: valgrind does not answer vgdb") from error


def choose():
    """The first counter that works here."""
    counters = (Perf, Valgrind)
    reasons = [counter.missing() for counter in counters]
    if all(reasons):
        raise Unavailable("; ".join(reasons))
    return counters[reasons.index(None)]
