"""The ONNX project's own cases of single operators, from the package `onnx`. Those of operators.txt
must be right; every other one must be refused by one clear line. With E2B_UPDATE=1 operators.txt is
written anew from what is accepted and right.

Cases that are accepted are joined into few networks, since starting the command takes longer than
a case. "constants" after a name: the inputs that say how to compute, such as axes and bounds, are
constants of the network, as e2bird wants them."""

import concurrent.futures
import functools
import os
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

LIST = pathlib.Path(__file__).parent / "operators.txt"
JOINED, MOST_INPUTS, MOST_OUTPUTS = 24, 60, 30
# Where a result may differ, and why.
UNLIKE = {
    "mod_float_edge_cases_fmod_0_float16": "remainders by infinity are NaN in some implementations",
    "mod_float_edge_cases_fmod_0_float32": "remainders by infinity are NaN in some implementations",
    "resize_downsample_scales_linear_align_corners": "by the rounded size, as ONNX Runtime does",
}


def array_of(given):
    return numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else np.asarray(given)


class Case:
    """A case of the package with arrays for its inputs and outputs."""

    def __init__(self, case, constants):
        inputs, outputs = case.data_sets[0]
        self.name, self.tolerance = case.name.removeprefix("test_"), max(case.rtol, 1e-3)
        self.label = self.name + (" constants" if constants else "")
        self.model = onnx.ModelProto()
        self.model.CopyFrom(case.model)
        self.inputs = {}
        for index, (value, given) in enumerate(zip(case.model.graph.input, inputs)):
            array = array_of(given)
            if constants and index > 0 and (array.dtype == np.int64 and array.ndim <= 1
                                            or array.ndim == 0 or value.name in ("scales", "roi")):
                self.model.graph.initializer.append(numpy_helper.from_array(array, value.name))
                self.model.graph.input.remove(value)
            else:
                self.inputs[value.name] = array
        self.outputs = {value.name: array_of(given)
                        for value, given in zip(self.model.graph.output, outputs)}

    def wrong(self, results):
        """What is wrong with results by name, or None."""
        for name, expected in self.outputs.items():
            got = results[name]
            if (got.shape, got.dtype) != (expected.shape, expected.dtype):
                return f"{name} is {got.dtype} {got.shape}, not {expected.dtype} {expected.shape}"
            if not np.allclose(got.astype(np.float64), expected.astype(np.float64),
                               rtol=self.tolerance, atol=1e-5, equal_nan=True):
                return f"{name} is {got.ravel()[:4]}..., not {expected.ravel()[:4]}..."
        return None


@functools.cache
def all_cases():
    """name: case of the package. Making them warns of divisions by zero that are meant."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name.removeprefix("test_"): case for case in collect_testcases("")}


def listed():
    """name: whether its parameters have to be constants."""
    return {line.split()[0]: "constants" in line for line in LIST.read_text().splitlines()}


def join(cases):
    """One network of the cases' nodes, each with its own prefix."""
    opset = cases[0].model.opset_import[0]
    graph = onnx.GraphProto(name="joined")
    for number, case in enumerate(cases):
        part = onnx.compose.add_prefix(case.model, f"c{number}_").graph
        for field in ("node", "input", "output", "initializer", "value_info"):
            getattr(graph, field).extend(getattr(part, field))
    return onnx.helper.make_model(graph, opset_imports=[opset])


def run(command, device, cases):
    """name: what is wrong, or None, of each case."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        onnx.save(join(cases), path / "joined.onnx")
        arguments = [command, "run", path / "joined.onnx", "--output-dir", path]
        arguments += ["--device", device] if device else []
        for number, case in enumerate(cases):
            for name, array in case.inputs.items():
                file = path / f"{len(arguments)}.npy"
                np.save(file, array)
                arguments += ["--input", f"c{number}_{name}={file}"]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            if len(cases) > 1:
                return {name: wrong for case in cases
                        for name, wrong in run(command, device, [case]).items()}
            return {cases[0].label: done.stderr.strip()[-300:]}
        return {case.label: case.wrong({name: np.load(path / f"c{number}_{name}.npy")
                                        for name in case.outputs})
                for number, case in enumerate(cases)}


def groups(cases):
    """Lists of cases of one opset that fit into one network."""
    group, inputs, outputs, opset = [], 0, 0, None
    for case in sorted(cases, key=lambda case: case.model.opset_import[0].version):
        version = case.model.opset_import[0].version
        inputs, outputs = inputs + len(case.inputs), outputs + len(case.outputs)
        if group and (version != opset or len(group) == JOINED or inputs > MOST_INPUTS
                      or outputs > MOST_OUTPUTS):
            yield group
            group, inputs, outputs = [], len(case.inputs), len(case.outputs)
        group.append(case)
        opset = version
    if group:
        yield group


def wrong_among(command, device, cases):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda group: run(command, device, group), groups(cases))
        return {name: wrong for result in results for name, wrong in result.items() if wrong}


def inspect(command, *arguments):
    """The line that refuses a network, or None if it is accepted."""
    done = subprocess.run([command, "inspect", *arguments], capture_output=True, text=True,
                          errors="replace", timeout=120, check=False)
    assert done.returncode in (0, 1), (arguments, done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("e2bird: ")]
    assert len(lines) == done.returncode, (arguments, done.stderr)
    return lines[0] if lines else None


def refusal(command, device, folder, name, model):
    """Of any device, else of this one."""
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    chosen = ["--device", device] if device else []
    return inspect(command, path) or inspect(command, path, "--explain", *chosen)


def test_listed_cases_are_right(command, device):
    cases = [Case(all_cases()[name], constants) for name, constants in listed().items()]
    assert wrong_among(command, device, cases) == {}


def test_others_are_refused(command, device, tmp_path):
    others = [name for name in all_cases() if name not in listed() and name not in UNLIKE]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lines = pool.map(lambda name: refusal(command, device, tmp_path, name,
                                              all_cases()[name].model), others)
        accepted = [name for name, line in zip(others, lines) if line is None]
    assert accepted == [], "accepted but not listed: run this test with E2B_UPDATE=1"


@pytest.mark.skipif("E2B_UPDATE" not in os.environ, reason="E2B_UPDATE=1 makes the list anew")
def test_update(command, device, tmp_path):
    """First as the cases are, then with constants."""
    found = {}
    for constants in (False, True):
        tried = []
        for name, case in all_cases().items():
            if name in found or name in UNLIKE:
                continue
            try:
                tried.append(Case(case, constants))
            except (ValueError, TypeError, AttributeError):
                continue  # sequences, and inputs that are not given
        tried = [case for case in tried
                 if case.inputs and not refusal(command, device, tmp_path, case.name, case.model)]
        wrong = wrong_among(command, device, tried)
        assert wrong == {}
        found |= {case.name: case.label for case in tried}
    LIST.write_text("".join(f"{found[name]}\n" for name in sorted(found)))
