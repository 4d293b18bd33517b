"""Results as Markdown, on the terminal and in a file that is whole at any time."""

import datetime
import os
import pathlib
import platform
import shlex
import subprocess
import sys

import measure

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Report:
    """`path`: None for the terminal only."""

    def __init__(self, path):
        self._path, self._written = path, ""

    def add(self, text):
        print(text, flush=True)
        self._written += text + "\n"
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(self._written)


def progress(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def table(header, rows):
    """Columns as wide as their widest cell."""
    lines = [[str(cell) for cell in line] for line in [header, *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths))
                     + " |" for line in lines)


def times(spread):
    digits = 2 if spread.median >= 1 else 3 if spread.median >= 0.1 else 4
    median, low, high = (f"{value:.{digits}f}" for value in (spread.median, spread.low, spread.high))
    return f"{median} ({low}..{high})"


def ratio(spread):
    return f"{spread.median:.2f} ({spread.low:.2f}..{spread.high:.2f})"


def means(what, ratios):
    """One line a group: `ratios` are (case, ratio)."""
    if not ratios:
        return f"- {what}: nothing could be compared"
    best, worst = max(ratios, key=lambda pair: pair[1]), min(ratios, key=lambda pair: pair[1])
    mean = measure.geometric_mean([value for _, value in ratios])
    return (f"- {what}: geometric mean of {len(ratios)} {mean:.2f}, best {best[1]:.2f} "
            f"({best[0]}), worst {worst[1]:.2f} ({worst[0]})")


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def commit():
    """E2B_COMMIT says it where the files are not in a repository."""
    name = os.environ.get("E2B_COMMIT") or first_line(["git", "rev-parse", "--short=12", "HEAD"])
    changed = first_line(["git", "status", "--porcelain", "--untracked-files=no"])
    return (name or "unknown") + (" with changes that are not committed" if changed else "")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def circumstances(rows):
    """What a reader needs to judge and repeat a measurement; `rows` are (what, text)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    command = shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
    rows = [("date", f"{now:%Y-%m-%d %H:%M} UTC"), ("command", f"`{command}`"),
            ("commit", commit()),
            ("processor", f"{processor()}, {os.cpu_count()} CPUs, {platform.system()} "
                          f"{platform.release()}"),
            ("load before", f"{load} (1, 5, 15 minutes)"), *rows]
    return table(("what", ""), rows)
