"""Turns, ratios and tables of tools/bench, on engines whose times are known."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "bench"))

import measure  # noqa: E402
import report  # noqa: E402
import workers  # noqa: E402

ENGINE = """
import sys
print("ok 5 an engine of the test", flush=True)
for line in sys.stdin:
    verb, _, rest = line.strip().partition(" ")
    if verb == "run":
        print("ok", *[{ns}] * int(rest.split()[0]), flush=True)
    elif verb == "end":
        sys.exit("out of paper")
    else:
        print("error no", line.strip(), flush=True)
"""


class Recorded:
    def __init__(self, name, ns, log):
        self.name, self._ns, self._log = name, ns, log

    def ask(self, _verb, count, in_a_row):
        self._log.append((self.name, count))
        return [9 * self._ns / in_a_row] + [self._ns / in_a_row] * (count - 1)


class Turns(unittest.TestCase):
    def test_order_rotates_and_the_first_run_does_not_count(self):
        log = []
        a, b = Recorded("a", 1e8, log), Recorded("b", 5e7, log)
        times = measure.take_turns([a, b], rounds=3, turn_seconds=0.4)
        self.assertEqual(log[2:], [("a", 5), ("b", 9), ("b", 9), ("a", 5), ("a", 5), ("b", 9)])
        self.assertEqual(times[a], [[1e8] * 4] * 3)

    def test_a_turn_has_as_many_runs_when_they_go_in_a_row(self):
        log = []
        a = Recorded("a", 1e8, log)
        times = measure.take_turns([a], rounds=1, turn_seconds=0.4, in_a_row=10)
        self.assertEqual(log, [("a", 2), ("a", 5)])
        self.assertEqual(times[a], [[1e7] * 4])

    def test_a_change_of_speed_between_rounds_cancels(self):
        own, peer = [[10, 10], [20, 20], [40, 40]], [[30, 30], [60, 60], [120, 120]]
        self.assertEqual(measure.ratio(peer, own), measure.Spread(3, 3, 3))
        self.assertEqual(measure.fastest_ratio(peer, own), 3)

    def test_quartiles_and_means(self):
        self.assertEqual(measure.Spread.of([5, 1, 3, 2, 4]), measure.Spread(2, 3, 4))
        self.assertEqual(measure.Spread.of([7]), measure.Spread(7, 7, 7))
        self.assertAlmostEqual(measure.geometric_mean([0.5, 2, 8]), 2)


class Tables(unittest.TestCase):
    def test_columns_are_aligned(self):
        self.assertEqual(report.table(["a", "b"], [["long", 1]]),
                         "| a    | b |\n| ---- | - |\n| long | 1 |")

    def test_means_name_best_and_worst(self):
        line = report.means("x", [("one", 0.5), ("two", 2.0)])
        self.assertIn("mean of 2 1.00, best 2.00 (two), worst 0.50 (one)", line)
        self.assertIn("nothing could be compared", report.means("x", []))


class Workers(unittest.TestCase):
    def worker(self, text):
        worker = workers.Worker("printer", [sys.executable, "-c", text])
        self.addCleanup(worker.close)
        return worker

    def test_answers_and_errors(self):
        worker = self.worker(ENGINE.replace("{ns}", "7"))
        self.assertEqual((worker.open_ns, worker.identity), (5, "an engine of the test"))
        self.assertEqual(worker.ask("run", 3), [7, 7, 7])
        with self.assertRaisesRegex(workers.Failed, "^printer: no fly$"):
            worker.ask("fly")
        self.assertGreater(worker.peak_bytes(), 1 << 20)

    def test_an_end_is_told_with_its_last_words(self):
        worker = self.worker(ENGINE)
        with self.assertRaisesRegex(workers.Failed, "ended with status 1: out of paper"):
            worker.ask("end")

    def test_one_that_does_not_start(self):
        with self.assertRaisesRegex(workers.Failed, "no such engine"):
            self.worker("raise SystemExit('no such engine')")


if __name__ == "__main__":
    unittest.main()
