#!/usr/bin/env python3
"""Makes report.md, with plots, of a folder that `e2bird lab` wrote. Every comparison shows the
geometric mean, the best and the worst case side by side. Plots need gnuplot."""

import argparse
import collections
import csv
import json
import math
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

NUMBERS = ("load_percent", "p50_ms", "p99_ms", "mean_ms", "goodput_per_s", "violations",
           "mean_batch", "offered_per_s", "most_lag_ms")


def read_table(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for key in NUMBERS:
            if key in row:
                row[key] = float(row[key])
        row["label"] = row["policy"] + (f" ({row['variant']})" if row["variant"] else "")
    return rows


def grouped(rows, *keys):
    groups = collections.defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return groups


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def interval(values, draws=2000):
    """95 % interval of the median by bootstrap; the only value of one."""
    drawn = random.Random(1)
    medians = sorted(statistics.median(drawn.choices(values, k=len(values)))
                     for _ in range(draws if len(values) > 1 else 1))
    return medians[int(0.025 * (len(medians) - 1))], medians[math.ceil(0.975 * (len(medians) - 1))]


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def with_interval(rows, key, digits, scale=1):
    values = [scale * row[key] for row in rows]
    text = f"{statistics.median(values):.{digits}f}"
    if len(values) > 1:
        low, high = interval(values)
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return text


def ratios(rows, subject, rival, keys, value):
    """value of subject over value of rival for each point that both have."""
    found = {}
    for point, members in grouped(rows, *keys).items():
        ours = [row for row in members if row["label"] == subject]
        theirs = [row for row in members if row["label"] == rival]
        if ours and theirs and median(theirs, value) > 0 and median(ours, value) > 0:
            found[point] = median(ours, value) / median(theirs, value)
    return found


def noise_of(rows, value):
    """Largest factor between runs of one policy and the same again; None where none was run."""
    policies = {row["policy"] for row in rows if row["variant"] == "again"}
    factors = [max(ratio, 1 / ratio) for policy in policies for ratio in ratios(
        rows, f"{policy} (again)", policy, ("models", "arrivals", "load_percent"), value).values()]
    return max(factors, default=None)


def comparison(rows, subject, keys, value, lower_is_better, noise):
    """One line a rival: geometric mean, best and worst case of subject against it."""
    lines = []
    for rival in sorted({row["label"] for row in rows} - {subject}):
        if rival.endswith("(again)"):
            continue
        found = ratios(rows, subject, rival, keys, value)
        if not found:
            continue
        order = sorted(found, key=found.get, reverse=not lower_is_better)
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in found.values()))
        inside = sum(1 for ratio in found.values() if max(ratio, 1 / ratio) <= (noise or 1))
        place = lambda point: f"{found[point]:.3f} ({', '.join(show(part) for part in point)})"
        lines.append([rival, len(found), f"{mean:.3f}", place(order[0]), place(order[-1]), inside])
    return table(["against", "points", "geometric mean", "best case", "worst case",
                  "within noise"], lines)


def show(part):
    return f"{part:g} %" if isinstance(part, float) else part


class Plots:
    """Draws with gnuplot; `error` says why nothing is drawn."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.error = None if shutil.which("gnuplot") else "gnuplot is not installed: no plots"

    def draw(self, title, settings, series, style):
        """series: {name: [(x, y)]}. Returns the Markdown that shows it."""
        if self.error or not any(series.values()):
            return f"*{self.error or 'nothing to plot'}*\n"
        name = f"plot_{self.count}.svg"
        self.count += 1
        script = ["set terminal svg size 760,440 font 'sans,12' background 'white'",
                  f"set output '{name}'", f"set title {quoted(title)} noenhanced",
                  "set key outside right noenhanced", "set grid", *settings]
        parts = []
        for index, (label, points) in enumerate(series.items()):
            script += [f"$d{index} << EOD", *(f"{x} {y}" for x, y in points), "EOD"]
            parts.append(f"$d{index} {style} title {quoted(label)}")
        script.append("plot " + ", ".join(parts))
        subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True,
                       cwd=self.folder)
        return f"![{title}]({name})\n"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def load_plots(runs, plots):
    for (models, arrivals), members in grouped(runs, "models", "arrivals").items():
        series = {}
        for label, rows in sorted(grouped(members, "label").items()):
            if not label[0].endswith("(again)"):
                series[label[0]] = sorted((load[0], median(points, "p99_ms")) for load, points
                                          in grouped(rows, "load_percent").items())
        yield plots.draw(f"{models}, {arrivals}: p99 latency against load",
                         ["set xlabel 'load, % of capacity'", "set ylabel 'p99, ms'",
                          "set logscale y"], series, "with linespoints")


def distribution_plots(runs, quantiles, plots):
    shares = collections.defaultdict(list)
    for row in quantiles:
        shares[row["run"]].append((float(row["latency_ms"]), float(row["share"])))
    for (models, arrivals), members in grouped(runs, "models", "arrivals").items():
        load = max(row["load_percent"] for row in members)
        series = {row["label"]: shares[row["run"]] for row in members if row["variant"] != "again"
                  and row["load_percent"] == load and row["repeat"] == "0"}
        yield plots.draw(f"{models}, {arrivals}, {load:g} %: distribution of latency",
                         ["set xlabel 'ms'", "set ylabel 'share of requests'", "set logscale x"],
                         dict(sorted(series.items())), "with lines")


def peak_plots(peaks, plots):
    for (models, arrivals), members in grouped(peaks, "models", "arrivals").items():
        bars = sorted((median(rows, "load_percent"), label[0])
                      for label, rows in grouped(members, "label").items())
        ticks = ", ".join(f"{quoted(label)} {i}" for i, (_, label) in enumerate(bars))
        settings = ["set style fill solid 0.6", "set boxwidth 0.7", "set key off",
                    f"set xtics ({ticks}) rotate by -35 noenhanced", "set yrange [0:*]",
                    "set ylabel 'peak load, % of capacity'"]
        yield plots.draw(f"{models}, {arrivals}: highest load that keeps the target", settings,
                         {"peak": [(i, load) for i, (load, _) in enumerate(bars)]}, "with boxes")


def queue_plots(folder, runs, plots):
    """Slots that wait, by time, of the runs that were traced."""
    traced = [row for row in runs if (folder / f"trace_{row['run']}.json").exists()]
    for (models,), members in grouped(traced, "models").items():
        series = {}
        for row in sorted(members, key=lambda row: row["label"]):
            with open(folder / f"trace_{row['run']}.json", encoding="utf-8") as file:
                events = json.load(file)["traceEvents"]
            counts = [(event["ts"], event["args"]["slots"]) for event in events
                      if event["ph"] == "C" and event["pid"] == 1]
            start = counts[0][0] if counts else 0
            series[row["label"]] = [((ts - start) / 1000, slots) for ts, slots in counts
                                    if ts - start < 500e3]
        yield plots.draw(f"{models}: slots that wait, first half second",
                         ["set xlabel 'ms'", "set ylabel 'slots'"], series, "with steps")


def run_tables(runs):
    for (models, arrivals), members in grouped(runs, "models", "arrivals").items():
        lines = []
        for (load, label), rows in sorted(grouped(members, "load_percent", "label").items()):
            lines.append([f"{load:g} %", label, with_interval(rows, "p50_ms", 2),
                          with_interval(rows, "p99_ms", 2), with_interval(rows, "goodput_per_s", 1),
                          with_interval(rows, "violations", 2, 100),
                          f"{median(rows, 'mean_batch'):.1f}"])
        yield f"### {models}, {arrivals}\n\n" + table(
            ["load", "policy", "p50, ms", "p99, ms", "in time, 1/s", "missed, %", "batch"], lines)


def peak_table(peaks):
    lines = [[models, arrivals, label, with_interval(rows, "load_percent", 1),
              with_interval(rows, "goodput_per_s", 1), rows[0]["options"]]
             for (models, arrivals, label), rows
             in sorted(grouped(peaks, "models", "arrivals", "label").items())]
    return table(["models", "arrivals", "policy", "peak, % of capacity", "in time, 1/s", "options"],
                 lines)


def head(lab, noise):
    kind = "a simulated device, in virtual time" if lab["simulated"] else lab["groups"][0]["device"]
    lines = [f"# Policies compared\n\n`{lab['command']}`\n", f"On {kind}. "
             f"{lab['repeats']} runs of {lab['seconds']:g} s each, seeds from {lab['seed']}; "
             f"values are medians with 95 % intervals. A load of 100 % is the capacity below."]
    lines.append("Options were tuned with "
                 f"{lab['tune_runs']} runs for each policy, on other seeds than those reported.\n"
                 if lab["tune_runs"] else "Options are as given, not tuned.\n")
    parts = [[group["models"], part["name"], f"{part['capacity_per_s']:.1f}",
              f"{part['largest_batch_ms']:.2f}", f"{part['target_ms']:.2f}"]
             for group in lab["groups"] for part in group["parts"]]
    lines.append(table(["models", "model", "capacity, 1/s", "largest batch, ms", "target, ms"],
                       parts))
    for name, factor in noise.items():
        lines.append(f"Noise of {name}: " + ("unknown, as no policy was run twice (--again)."
                     if factor is None else f"a factor of {factor:.3f}.") + "\n")
    return "\n".join(lines)


def report(folder, subject):
    lab = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    runs, peaks = read_table(folder / "runs.csv"), read_table(folder / "peaks.csv")
    with open(folder / "quantiles.csv", newline="", encoding="utf-8") as file:
        quantiles = list(csv.DictReader(file))
    if subject not in {row["label"] for row in runs}:
        sys.exit(f"lab_report: no run of \"{subject}\"; there are: "
                 + ", ".join(sorted({row['label'] for row in runs})))
    plots = Plots(folder)
    points = ("models", "arrivals", "load_percent")
    latency, goodput = noise_of(runs, "p99_ms"), noise_of(runs, "goodput_per_s")
    text = [head(lab, {"the p99 latency": latency, "what is answered in time": goodput})]
    text += [f"## {subject} against the others\n\np99 latency of what was answered, ratio "
             f"(below 1: {subject} is faster):\n",
             comparison(runs, subject, points, "p99_ms", True, latency),
             "Answered right and in time, ratio (above 1: more):\n",
             comparison(runs, subject, points, "goodput_per_s", False, goodput)]
    if peaks:
        text += ["Highest load that keeps the target, ratio (above 1: more):\n",
                 comparison(peaks, subject, ("models", "arrivals"), "load_percent", False, None)]
    text += ["## Latency against load\n", *load_plots(runs, plots), *run_tables(runs),
             "## Distributions\n", *distribution_plots(runs, quantiles, plots)]
    if peaks:
        text += ["## Peak load under the target\n", *peak_plots(peaks, plots), peak_table(peaks)]
    text += ["## Queues\n", *queue_plots(folder, runs, plots)]
    (folder / "report.md").write_text("\n".join(text), encoding="utf-8")
    print(folder / "report.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--subject", default="elastic",
                        help="the policy that the others are compared with (default elastic)")
    args = parser.parse_args()
    report(args.folder, args.subject)


if __name__ == "__main__":
    main()
