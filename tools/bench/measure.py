"""Times of several engines taken in turns, so that what else the machine does meets all alike."""

import math
import statistics
from dataclasses import dataclass

MIN_RUNS, MAX_RUNS = 2, 1000


@dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values):
        """Quartiles; of a single value, that value."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


def take_turns(workers, rounds, turn_seconds, in_a_row=1):
    """For each worker, for each round, the ns of each run, or of each run's share of `in_a_row`
    that are enqueued together. The order rotates from round to round. A turn's first run, which
    finds another engine's data in the caches, does not count."""
    runs = {}
    for worker in workers:
        duration = min(worker.ask("run", MIN_RUNS, in_a_row)) * in_a_row
        runs[worker] = max(MIN_RUNS, min(MAX_RUNS, int(turn_seconds * 1e9 / duration)))
    times = {worker: [] for worker in workers}
    for index in range(rounds):
        first = index % len(workers)
        for worker in workers[first:] + workers[:first]:
            times[worker].append(worker.ask("run", 1 + runs[worker], in_a_row)[1:])
    return times


def milliseconds(turns):
    return Spread.of([ns / 1e6 for turn in turns for ns in turn])


def ratio(peer_turns, own_turns):
    """How many times as long the peer took, from the medians of each round: a change of the
    machine's speed between rounds cancels."""
    return Spread.of([statistics.median(peer) / statistics.median(own)
                      for peer, own in zip(peer_turns, own_turns, strict=True)])


def fastest_ratio(peer_turns, own_turns):
    """The same from the fastest run of each: what a machine that others use too hides least."""
    return min(map(min, peer_turns)) / min(map(min, own_turns))


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))
