import os
import pathlib

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import compare
import generate
import light
import packages

SOURCE = pathlib.Path(os.environ.get("E2B_LIGHT_MODELS", light.FOLDER))
NAMES = light.names(SOURCE)


def test_all_are_there():
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_expected_output_of_the_onnx_project(command, device, name):
    """The input is the one from which the ONNX project derived the output beside the network."""
    path = SOURCE / f"{name}.onnx"
    reference = compare.Reference(path)
    shape = reference.shape(1)
    count = int(np.prod(shape))
    ramp = (np.arange(count).reshape(shape) / count).astype(np.float32)
    expected = onnx.TensorProto.FromString((SOURCE / f"{name}_output_0.pb").read_bytes())
    output = compare.e2bird(command, path, {reference.input_name: ramp}, device=device)
    assert compare.relative_error(output, numpy_helper.to_array(expected)) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_random_weights(check, name):
    check(generate.generate_light(name, packages.MODELS / "generated", SOURCE))
