"""What cpu_compare measured: one record a network and batch size, kept as a line of JSON so that a
comparison can be made in several calls; as tables; and against the bars that e2bird is held to."""

import dataclasses
import json
import statistics
from dataclasses import dataclass, field

import measure
import race
import report

OWN, PEERS = "e2bird", ("onnxruntime", "openvino")
TOLERANCE = 1e-4
MIB = 1 << 20

# What e2bird must reach: each peer's time over ours as a geometric mean, and for every network.
MEANS = {"onnxruntime": 1.0, "openvino": 0.9}
EACH = 0.75
CONVOLUTION_NETWORK, CONVOLUTION_PERCENT = "resnet50", 85
WARM_NETWORK, WARM_SECONDS = "resnet50", 1.0
MEMORY_PEER = "onnxruntime"


@dataclass
class Record:
    """Dictionaries are by engine; what was not measured is empty."""

    network: str
    batch: int
    result: race.Result
    date: str = ""
    commit: str = ""
    load: float = 0.0  # of the machine, before
    cold: dict = field(default_factory=dict)  # s
    warm: dict = field(default_factory=dict)  # s
    peaks: dict = field(default_factory=dict)  # bytes
    instructions: dict = field(default_factory=dict)  # of one batch, by one thread
    counter: str = ""  # what counted them
    fma_gflops: float = 0.0
    convolution_percents: list = field(default_factory=list)  # of a turn's own peak, all layers
    shares: list = field(default_factory=list)  # text: where e2bird's time goes

    @property
    def case(self):
        return self.result.case

    @property
    def convolutions(self):
        """Of the peak, in percent: median (quartiles)."""
        spread = measure.Spread.of(self.convolution_percents)
        return f"{spread.median:.0f} % ({spread.low:.0f}..{spread.high:.0f})"

    @classmethod
    def of_line(cls, line):
        values = json.loads(line)
        return cls(**{**values, "result": race.Result(**values["result"])})


def load(path):
    return [Record.of_line(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(path, record):
    """Replaces a record of the same network and batch size."""
    kept = [old for old in load(path) if old.case != record.case] + [record]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in kept))


def cell(values, name, pattern, scale=1.0):
    value = values.get(name)
    return "-" if value is None else pattern.format(value / scale)


def ratios(records, peer, batch, value):
    return [(record.case, value(record.result, peer)) for record in records
            if record.batch == batch and record.result.ratio(peer, OWN)]


def median_ratio(result, peer):
    return result.ratio(peer, OWN).median


def fastest_ratio(result, peer):
    return result.fastest_ratio(peer, OWN)


def batches(records):
    return sorted({record.batch for record in records})


def time_tables(records, peers):
    names = [OWN, *peers]
    rows = [[record.case,
             *(report.times(measure.milliseconds(record.result.turns[name]))
               if name in record.result.turns else "-" for name in names),
             *(f"{report.ratio(ratio)}, {record.result.fastest_ratio(peer, OWN):.2f}"
               if (ratio := record.result.ratio(peer, OWN)) else "-" for peer in peers),
             *(cell(record.result.errors, name, "{:.0e}") for name in (OWN, peers[-1]))]
            for record in records]
    yield "## Time of one batch, ms: median (quartiles); ratios: the same, then of fastest runs\n"
    yield report.table(["network", *names, *(f"{peer} / {OWN}" for peer in peers),
                        *(f"error of {name}" for name in (OWN, peers[-1]))], rows)
    yield "\n## Ratios\n"
    for peer in peers:
        for batch in batches(records):
            yield report.means(f"{peer} / {OWN}, batch {batch}",
                               ratios(records, peer, batch, median_ratio))
            yield report.means(f"{peer} / {OWN}, batch {batch}, fastest runs",
                               ratios(records, peer, batch, fastest_ratio))


def instruction_ratio(record, peer):
    """How many times as many `peer` takes, and how many times as long."""
    if not {OWN, peer} <= record.instructions.keys():
        return "-"
    ratio = record.result.ratio(peer, OWN)
    return (f"{record.instructions[peer] / record.instructions[OWN]:.2f}"
            f" ({f'{ratio.median:.2f}' if ratio else '-'})")


def instruction_table(records, peers):
    names = [OWN, *peers]
    records = [record for record in records if record.instructions]
    if records:
        yield ("\n## Instructions of one batch by one thread, in user mode, millions; ratios: of "
               "these (of the times)\n")
        yield report.table(
            ["network", *names, *(f"{peer} / {OWN}" for peer in peers), "counted by"],
            [[record.case, *(cell(record.instructions, name, "{:.1f}", 1e6) for name in names),
              *(instruction_ratio(record, peer) for peer in peers), record.counter]
             for record in records])


def other_tables(records, peers):
    names = [OWN, *peers]
    yield ("\n## Peak resident memory, MiB, programs compiled before (those of the peers with Python "
           "and its packages)\n")
    yield report.table(["network", *names],
                       [[record.case, *(cell(record.peaks, name, "{:.0f}", MIB) for name in names)]
                        for record in records])
    if any(record.cold for record in records):
        yield "\n## From start to first result, s: with empty caches / with full ones\n"
        yield report.table(["network", *names],
                           [[record.case, *(f"{cell(record.cold, name, '{:.2f}')} / "
                                            f"{cell(record.warm, name, '{:.2f}')}"
                                            for name in names)]
                            for record in records if record.cold])
    if any(record.shares for record in records):
        yield "\n## Where the time of e2bird goes\n"
        for record in records:
            if record.shares:
                yield (f"- {record.case}: convolutions at {record.convolutions} of the multiply-adds "
                       f"measured in the same turn, {record.fma_gflops:.0f} GFLOP/s in the median's; "
                       f"{'; '.join(record.shares)}")


@dataclass(frozen=True)
class Bar:
    what: str
    wanted: str
    found: str
    met: bool


def speed_bars(records, peers):
    for peer in peers:
        for batch in batches(records):
            values = ratios(records, peer, batch, median_ratio)
            if not values:
                continue
            mean = measure.geometric_mean([value for _, value in values])
            yield Bar(f"{peer} / {OWN}, batch {batch}, geometric mean of {len(values)}",
                      f"{MEANS[peer]:.2f}", f"{mean:.2f}", mean >= MEANS[peer])
            case, worst = min(values, key=lambda pair: pair[1])
            yield Bar(f"{peer} / {OWN}, batch {batch}, worst network", f"{EACH:.2f}",
                      f"{worst:.2f} ({case})", worst >= EACH)


def memory_bars(records):
    for record in records:
        own, peer = record.peaks.get(OWN), record.peaks.get(MEMORY_PEER)
        if own and peer:
            yield Bar(f"peak memory, {record.case}", f"{peer / MIB:.0f} MiB ({MEMORY_PEER})",
                      f"{own / MIB:.0f} MiB", own <= peer)


def bars(records, peers):
    yield from speed_bars(records, peers)
    for record in records:
        if record.network == CONVOLUTION_NETWORK and record.convolution_percents:
            yield Bar(f"convolutions, {record.case}", f"{CONVOLUTION_PERCENT} % of the FMA peak",
                      record.convolutions,
                      statistics.median(record.convolution_percents) >= CONVOLUTION_PERCENT)
        if record.network == WARM_NETWORK and record.batch == 1 and OWN in record.warm:
            yield Bar(f"warm start to first answer, {record.case}", f"{WARM_SECONDS:.2f} s",
                      f"{record.warm[OWN]:.2f} s", record.warm[OWN] < WARM_SECONDS)
    yield from memory_bars(records)


def bar_table(found):
    return ["\n## Bars\n", report.table(["bar", "wanted", "found", "met"], [
        [bar.what, bar.wanted, bar.found, "yes" if bar.met else "**no**"] for bar in found])]


def circumstances(records):
    """Rows on when and where the records were made."""
    commits = sorted({record.commit for record in records})
    loads = [record.load for record in records]
    return [("measured", f"{min(r.date for r in records)} .. {max(r.date for r in records)} UTC"),
            ("of commit", ", ".join(commits)),
            ("load before a cell", f"{min(loads):.1f} .. {max(loads):.1f} (1 minute)")]


def trouble(records):
    return [line for record in records for line in race.explain(record.result, TOLERANCE)]


def tables(records, peers):
    """Markdown of the records."""
    text = [*time_tables(records, peers), *instruction_table(records, peers),
            *bar_table(list(bars(records, peers))), *other_tables(records, peers)]
    wrong = trouble(records)
    return "\n".join(text + (["\n## Not compared\n", *wrong] if wrong else []))
