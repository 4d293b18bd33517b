import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "models"))

import compare  # noqa: E402

# Largest relative error of an output against ONNX Runtime in float32.
TOLERANCE = {"fp32": 1e-4, "fp16": 5e-3}


@pytest.fixture(scope="session")
def command():
    path = pathlib.Path(os.environ.get("E2B_COMMAND", ROOT / "build" / "tools" / "e2bird"))
    assert path.exists(), f"{path} is not built (E2B_COMMAND names another)"
    return path


@pytest.fixture(scope="session")
def device():
    return os.environ.get("E2B_TEST_DEVICE")


@pytest.fixture
def check(command, device):
    """check(network, precision, batches): compare with ONNX Runtime."""

    def run(path, precision="fp32", batches=(1,)):
        reference = compare.Reference(path)
        for batch in batches:
            inputs = reference.samples(batch, seed=batch)
            try:
                output = compare.e2bird(command, path, inputs, precision, device)
            except compare.Refused as error:
                if precision == "fp16" and "fp16" in str(error):
                    pytest.skip(str(error))
                raise
            error = compare.relative_error(output, reference.run(inputs))
            print(f"{path.stem} {precision} batch {batch}: relative error {error:.2e}")
            assert error < TOLERANCE[precision]

    return run
