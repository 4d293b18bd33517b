"""One network at one batch size on several engines: prepared, checked, then timed in turns."""

import concurrent.futures
import pathlib
from dataclasses import dataclass, field

import numpy as np

import measure
import networks
import report
from workers import Failed


@dataclass
class Result:
    """By engine's name. An engine that could not run is in `failures` only; one whose numbers are
    wrong has an error but no time."""

    case: str
    errors: dict = field(default_factory=dict)
    turns: dict = field(default_factory=dict)
    prepare_ns: dict = field(default_factory=dict)
    first_ns: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)

    def ratio(self, peer, own):
        """How many times as long `peer` takes as `own`; None if either has no time."""
        if peer not in self.turns or own not in self.turns:
            return None
        return measure.ratio(self.turns[peer], self.turns[own])

    def fastest_ratio(self, peer, own):
        if peer not in self.turns or own not in self.turns:
            return None
        return measure.fastest_ratio(self.turns[peer], self.turns[own])


def each(function, items, together):
    """function(item) of each item, in turn or all at once: then what it measures is not exact."""
    with concurrent.futures.ThreadPoolExecutor(len(items) if together and items else 1) as pool:
        return list(pool.map(function, items))


def start(specifications, failures, together=False):
    """Engines that start; `specifications` are (name, function that starts it)."""

    def begin(specification):
        name, function = specification
        report.progress(f"starting {name}")
        try:
            return function()
        except Failed as error:
            failures[name] = str(error)
            return None

    return [worker for worker in each(begin, list(specifications), together) if worker]


def compare_outputs(output, reference):
    import compare

    return compare.relative_error(output.astype(np.float32).reshape(reference.shape)
                                  if output.size == reference.size else output, reference)


def run(case, workers, array, folder, tolerance, reference, rounds, turn_seconds, prepared=None,
        together=False, in_a_row=1):
    """`reference(outputs)` gives the samples that count and their right values, from the outputs by
    engine. `prepared(worker)` is called when one is ready. `together`: prepared all at once."""
    result = Result(case)
    folder = pathlib.Path(folder)
    np.save(folder / "input.npy", array)
    outputs = {}

    def prepare(worker):
        report.progress(f"{case}: preparing {worker.name}")
        output = folder / f"{worker.name}.npy"
        try:
            times = worker.ask("prepare", len(array), folder / "input.npy")
            result.prepare_ns[worker.name], result.first_ns[worker.name] = times
            worker.ask("output", output)
            outputs[worker] = np.load(output)
            if prepared:
                prepared(worker)
        except Failed as error:
            result.failures[worker.name] = str(error)

    each(prepare, workers, together)
    samples, right = reference({worker.name: output for worker, output in outputs.items()})
    for worker, output in outputs.items():
        result.errors[worker.name] = compare_outputs(output[samples], right)
    trusted = [worker for worker in workers
               if result.errors.get(worker.name, tolerance) < tolerance]
    if trusted:
        report.progress(f"{case}: {rounds} rounds of {', '.join(w.name for w in trusted)}")
        try:
            times = measure.take_turns(trusted, rounds, turn_seconds, in_a_row)
            result.turns = {worker.name: turns for worker, turns in times.items()}
        except Failed as error:
            result.failures[str(error).partition(":")[0]] = str(error)
    return result


def explain(result, tolerance):
    """Lines on what has no time, and why."""
    return ([f"- {result.case}: {text}" for text in result.failures.values()]
            + [f"- {result.case}: {name} is wrong, relative error {error:.1e} (allowed "
               f"{tolerance:.0e}): not timed"
               for name, error in result.errors.items() if not error < tolerance])
