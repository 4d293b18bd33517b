"""Tests tools/lab_report.py on a made-up comparison of two policies."""

import csv
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "lab_report.py"
COLUMNS = ("run,models,arrivals,load_percent,policy,variant,options,repeat,seed,goodput_per_s,"
           "violations,mean_ms,p50_ms,p99_ms,mean_batch,offered_per_s,most_lag_ms").split(",")
MODEL_COLUMNS = "run,model,target_ms,sent,right,late,p50_ms,p99_ms".split(",")
BOUND_COLUMNS = ("models,arrivals,load_percent,sent_per_s,most_in_time_per_s,"
                 "clairvoyant_in_time_per_s,least_p99_ms,clairvoyant_p99_ms").split(",")
# p99 of elastic over that of its rival: 0.5 and 2 at the two loads
P99 = {("elastic", "", 20): 5, ("elastic", "", 80): 20, ("rival", "", 20): 10,
       ("rival", "", 80): 10, ("elastic", "again", 20): 5.5, ("elastic", "again", 80): 20}


def write(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


class LabReport(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        runs = [{"run": index, "models": "net", "arrivals": "poisson", "load_percent": load,
                 "policy": policy, "variant": variant, "options": policy, "repeat": repeat,
                 "seed": repeat, "goodput_per_s": 100, "violations": 0.01, "mean_ms": 1,
                 "p50_ms": 1, "p99_ms": p99, "mean_batch": 2, "offered_per_s": 100,
                 "most_lag_ms": 0}
                for index, ((policy, variant, load), p99, repeat)
                in enumerate((key, p99, repeat) for key, p99 in P99.items() for repeat in (0, 1))]
        write(self.folder / "runs.csv", COLUMNS, runs)
        write(self.folder / "quantiles.csv", ["run", "share", "latency_ms"],
              [{"run": row["run"], "share": share, "latency_ms": 1 + share}
               for row in runs for share in (0, 0.5, 1)])
        write(self.folder / "peaks.csv", COLUMNS[1:10],
              [{**{key: runs[0][key] for key in COLUMNS[1:10]}, "policy": policy,
                "load_percent": load} for policy, load in (("elastic", 90), ("rival", 60))])
        write(self.folder / "models.csv", MODEL_COLUMNS,
              [{"run": row["run"], "model": "net", "target_ms": 15, "sent": 100, "right": 100,
                "late": 1, "p50_ms": 1, "p99_ms": 2} for row in runs])
        write(self.folder / "bounds.csv", BOUND_COLUMNS,
              [{"models": "net", "arrivals": "poisson", "load_percent": 20, "sent_per_s": 123,
                "clairvoyant_in_time_per_s": 122, "most_in_time_per_s": 122.5,
                "clairvoyant_p99_ms": 4.25, "least_p99_ms": 3}])
        (self.folder / "lab.json").write_text(json.dumps({
            "command": "e2bird lab", "simulated": True, "seconds": 1, "repeats": 2, "seed": 0,
            "tune_runs": 0, "groups": [{"models": "net", "device": "simulated", "parts": [
                {"name": "net", "capacity_per_s": 100, "largest_batch_ms": 5, "target_ms": 15}]}]}))
        (self.folder / "trace_0.json").write_text(json.dumps({"traceEvents": [
            {"ph": "C", "pid": 1, "ts": 1000 * i, "args": {"slots": i % 3}} for i in range(9)]}))

    def make(self, *more):
        return subprocess.run([sys.executable, "-B", TOOL, self.folder, *more],
                              capture_output=True, text=True, check=False)

    def test_mean_best_and_worst_stand_side_by_side(self):
        done = self.make()
        self.assertEqual(done.returncode, 0, done.stderr)
        text = (self.folder / "report.md").read_text()
        self.assertIn("| rival | 2 | 1.000 | 0.500 (net, poisson, 20 %) | "
                      "2.000 (net, poisson, 80 %) | 0 |", text)
        self.assertIn("| rival | 1 | 1.500 | 1.500 (net, poisson)", text)
        self.assertIn("Noise of the p99 latency: a factor of 1.100.", text)
        self.assertNotIn("| elastic (again) | 2 | 1", text)

    def test_what_could_be_had_is_told(self):
        self.make()
        self.assertIn("| poisson | net | 20 % | 123.0 | 122.0 | 122.5 | 4.25 | 3.00 |",
                      (self.folder / "report.md").read_text())

    def test_models_of_a_mix_are_told_apart(self):
        runs = (self.folder / "runs.csv").read_text().replace(",net,", ",net+other,")
        (self.folder / "runs.csv").write_text(runs)
        self.make()
        self.assertIn("| 20 % | net | 15.00 | rival | 1.00 | 2.00 | 1.00 |",
                      (self.folder / "report.md").read_text())

    def test_a_simulation_is_compared_with_what_was_measured(self):
        simulated = self.folder / "simulated"
        simulated.mkdir()
        runs = (self.folder / "runs.csv").read_text().replace(",10,2,100,", ",15,2,100,")
        (simulated / "runs.csv").write_text(runs)
        done = self.make("--simulated", simulated)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = (self.folder / "agreement.md").read_text()
        self.assertIn("| p99_ms | 0 % | 50 % | 50 % |", text)
        self.assertIn("10.00 -> 15.00 (+50 %)", text)
        self.assertIn("| p99_ms | 5 of 5 |", text)

    def test_plots_are_drawn(self):
        if not shutil.which("gnuplot"):
            self.skipTest("gnuplot is not installed")
        self.make()
        plots = sorted(self.folder.glob("plot_*.svg"))
        self.assertEqual(len(plots), 4)
        for plot in plots:
            self.assertIn("</svg>", plot.read_text())

    def test_an_unknown_subject_is_named(self):
        done = self.make("--subject", "nobody")
        self.assertEqual(done.returncode, 1)
        self.assertIn("elastic, elastic (again), rival", done.stderr)


if __name__ == "__main__":
    unittest.main()
