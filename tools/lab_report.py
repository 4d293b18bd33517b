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

NUMBERS = ("most_in_time_per_s", "clairvoyant_in_time_per_s", "clairvoyant_p99_ms",
           "least_p99_ms", "sent_per_s", "target_ms", "load_percent", "p50_ms", "p99_ms", "mean_ms", "goodput_per_s", "violations",
           "mean_batch", "offered_per_s", "most_lag_ms")


def read_table(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for key in NUMBERS:
            if key in row:
                row[key] = float(row[key])
        row["label"] = row.get("policy", "") + (f" ({row['variant']})" if row.get("variant") else "")
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


def bound_table(bounds):
    lines = [[arrivals, models, f"{load:g} %", *(f"{median(rows, key):.{digits}f}" for key, digits
              in (("sent_per_s", 1), ("clairvoyant_in_time_per_s", 1), ("most_in_time_per_s", 1),
                  ("clairvoyant_p99_ms", 2), ("least_p99_ms", 2)))]
             for (arrivals, models, load), rows
             in sorted(grouped(bounds, "arrivals", "models", "load_percent").items())]
    return table(["arrivals", "models", "load", "sent, 1/s", "clairvoyant, in time, 1/s",
                  "bound, 1/s", "clairvoyant p99, ms", "bound, ms"], lines)


def model_tables(folder, runs):
    """Of groups of several models, each one's share: a line a policy and model."""
    labels = {row["run"]: row for row in runs}
    rows = [{**row, **{key: labels[row["run"]][key] for key in
                       ("models", "arrivals", "load_percent", "label")},
             "missed": 1 - (float(row["right"]) - float(row["late"])) / max(1, float(row["sent"]))}
            for row in read_table(folder / "models.csv") if "+" in labels[row["run"]]["models"]]
    for (models, arrivals), members in grouped(rows, "models", "arrivals").items():
        lines = [[f"{load:g} %", model, f"{median(parts, 'target_ms'):.2f}", label,
                  f"{median(parts, 'p50_ms'):.2f}", f"{median(parts, 'p99_ms'):.2f}",
                  f"{100 * median(parts, 'missed'):.2f}"]
                 for (load, model, label), parts
                 in sorted(grouped(members, "load_percent", "model", "label").items())]
        yield f"### {models}, {arrivals}: each model\n\n" + table(
            ["load", "model", "target, ms", "policy", "p50, ms", "p99, ms", "missed, %"], lines)


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
             *model_tables(folder, runs)]
    bounds = read_table(folder / "bounds.csv")
    if bounds:
        text += ["## What could be had\n\nBy a schedule that knows all arrivals and runs one "
                 "batch at a time, and a bound that nothing exceeds (sched/optimal.h). p99 is of "
                 "all that was sent.\n", bound_table(bounds)]
    text += [
             "## Distributions\n", *distribution_plots(runs, quantiles, plots)]
    if peaks:
        text += ["## Peak load under the target\n", *peak_plots(peaks, plots), peak_table(peaks)]
    text += ["## Queues\n", *queue_plots(folder, runs, plots)]
    (folder / "report.md").write_text("\n".join(text), encoding="utf-8")
    print(folder / "report.md")


def relative_error(simulated, measured):
    return f"{100 * (simulated / measured - 1):+.0f} %" if measured else "-"


def same_order(measured, simulated, value):
    """Share of the pairs of policies that stand in the same order in both, where they differ by
    more than 5 % in what was measured; and their number."""
    pairs = [(a, b) for a in measured for b in measured
             if a < b and abs(measured[a][value] - measured[b][value])
             > 0.05 * max(measured[a][value], measured[b][value])]
    same = sum((measured[a][value] > measured[b][value]) == (simulated[a][value]
                                                              > simulated[b][value])
               for a, b in pairs)
    return same, len(pairs)


def agreement(folder, simulated_folder):
    """How far a simulation of a device is from what was measured on it, cell by cell."""
    values = ("mean_ms", "p50_ms", "p99_ms", "goodput_per_s")
    keys = ("models", "arrivals", "load_percent")
    cells = [{point: {value: median(rows, value) for value in values}
              for point, rows in grouped(read_table(path / "runs.csv"), *keys, "label").items()}
             for path in (folder, simulated_folder)]
    both = sorted(set(cells[0]) & set(cells[1]))
    errors = {value: sorted(abs(cells[1][point][value] / cells[0][point][value] - 1)
                            for point in both if cells[0][point][value])
              for value in values}
    summary = [[value, f"{100 * statistics.median(error):.0f} %",
                f"{100 * error[int(0.9 * (len(error) - 1))]:.0f} %", f"{100 * error[-1]:.0f} %"]
               for value, error in errors.items() if error]
    order = []
    for value in values:
        found = [same_order(*({point[3]: cell[point] for point in both if point[:3] == place}
                              for cell in cells), value)
                 for place in sorted({point[:3] for point in both})]
        same, pairs = (sum(part) for part in zip(*found))
        order.append([value, f"{same} of {pairs}"])
    lines = [[*(show(part) for part in point),
              *(f"{cells[0][point][value]:.2f} -> {cells[1][point][value]:.2f} "
                f"({relative_error(cells[1][point][value], cells[0][point][value])})"
                for value in values)] for point in both]
    text = ["# Simulated against measured\n",
            f"{len(both)} cells. Error of the simulation, relative to what was measured:\n",
            table(["value", "median", "90 % of cells below", "largest"], summary),
            "Pairs of policies that differ by more than 5 % in the same cell, and stand in the "
            "same order in both:\n", table(["value", "pairs"], order),
            "Measured -> simulated:\n",
            table(["models", "arrivals", "load", "policy", *values], lines)]
    (folder / "agreement.md").write_text("\n".join(text), encoding="utf-8")
    print(folder / "agreement.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--subject", default="elastic",
                        help="the policy that the others are compared with (default elastic)")
    parser.add_argument("--simulated", type=pathlib.Path, metavar="FOLDER",
                        help="the same on a simulation: write agreement.md instead")
    args = parser.parse_args()
    if args.simulated:
        agreement(args.folder, args.simulated)
    else:
        report(args.folder, args.subject)


if __name__ == "__main__":
    main()
