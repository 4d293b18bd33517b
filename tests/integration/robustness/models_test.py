"""Models that are no models: one line that names what is wrong, at load, from each command."""

import os
import random

import numpy as np
import pytest
from conftest import e2bird, refusal
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
X, Y = ("x", FLOAT, ["N", 4]), ("y", FLOAT, ["N", 4])
node = helper.make_node


def save(path, nodes, inputs=(X,), outputs=(Y,), constants=(), opset=13):
    """Unchecked, as the broken ones could not be checked."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    path.write_bytes(model.SerializeToString())
    return path


def ones(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def outside(location, **more):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return tensor


ADD = [node("Add", ["x", "w"], ["y"], name="ad")]
CASES = {
    "unknown operator": ([node("Fooify", ["x"], ["y"], name="my_foo")], {},
                         ['"my_foo"', '"Fooify"', "opset 13"]),
    "unknown domain": ([node("Relu", ["x"], ["y"], name="n", domain="com.acme")], {},
                       ['"n"', "com.acme.Relu"]),
    "cycle": ([node("Add", ["x", "b"], ["a"], name="na"), node("Relu", ["a"], ["b"]),
               node("Relu", ["a"], ["y"])], {}, ['"na"', "cycle"]),
    "own result": ([node("Add", ["x", "a"], ["a"], name="na"), node("Relu", ["a"], ["y"])], {},
                   ['"na"', "cycle"]),
    "undefined": ([node("Add", ["x", "nope"], ["y"], name="na")], {}, ['"na"', '"nope"']),
    "no output": ([node("Relu", ["x"], ["z"])], {}, ['"y"', "no node"]),
    "made twice": ([node("Relu", ["x"], ["y"]), node("Sigmoid", ["x"], ["y"])], {},
                   ['"y"', "twice"]),
    "broadcast": (ADD, {"constants": [ones("w", 3)]}, ['"ad"', "broadcast"]),
    "product": ([node("MatMul", ["x", "w"], ["y"], name="mm")], {"constants": [ones("w", 5, 7)]},
                ['"mm"', "4 and 5"]),
    "stride 0": ([node("Conv", ["i", "w"], ["y"], name="cv", strides=[0, 0])],
                 {"inputs": [("i", FLOAT, ["N", 3, 8, 8])], "constants": [ones("w", 2, 3, 3, 3)]},
                 ['"cv"', "strides"]),
    "channels": ([node("Conv", ["i", "w"], ["y"], name="cv")],
                 {"inputs": [("i", FLOAT, ["N", 3, 8, 8])], "constants": [ones("w", 2, 4, 3, 3)]},
                 ['"cv"', "3 input channels"]),
    "axis": ([node("Softmax", ["x"], ["y"], name="sm", axis=7)], {}, ['"sm"', "-2..1"]),
    "free size": ([node("Relu", ["x"], ["y"])], {"inputs": [("x", FLOAT, ["N", "M"])]},
                  ['"x"', "dimension 1"]),
    "huge": ([node("Relu", ["x"], ["y"])], {"inputs": [("x", FLOAT, ["N", 2**40, 2**40])]},
             ['"x"', "at most"]),
    "old opset": ([node("Relu", ["x"], ["y"])], {"opset": 1}, ["opset 1"]),
    "text": ([node("Identity", ["x"], ["y"])], {"inputs": [("x", TensorProto.STRING, ["N", 4])]},
             ['"x"', "element type"]),
    "no weights": (ADD, {"constants": [outside("missing.bin")]}, ["missing.bin", '"w"']),
    "other folder": (ADD, {"constants": [outside("../../etc/passwd")]}, ["own folder", '"w"']),
    "short file": (ADD, {"constants": [outside("short.bin")]}, ["short.bin", '"w"']),
    "bad offset": (ADD, {"constants": [outside("short.bin", offset=-8)]}, ['"w"', "offset"]),
    "short weights": (ADD, {"constants": [TensorProto(name="w", data_type=FLOAT, dims=[4],
                                                      raw_data=b"12345")]}, ['"w"', "5 bytes"]),
    "wide weights": (ADD, {"constants": [TensorProto(name="w", data_type=FLOAT,
                                                     dims=[2**31, 2**31, 4])]}, ['"w"']),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_graph(tmp_path, case):
    nodes, options, says = CASES[case]
    (tmp_path / "short.bin").write_bytes(b"1234")
    path = save(tmp_path / "model.onnx", nodes, **options)
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 0}\nmodels: [{name: m, path: model.onnx}]\n")
    for arguments in (["inspect", path], ["run", path], ["check", config], ["serve", config]):
        line = refusal(e2bird(*arguments))
        for text in says:
            assert text in line


def test_cut_at_every_length(folder, tmp_path):
    whole = (folder / "pair.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        assert "model" in refusal(e2bird("inspect", path))


def test_random_bytes(folder, tmp_path):
    whole, rng = (folder / "pair.onnx").read_bytes(), random.Random(5)
    path = tmp_path / "noise.onnx"
    path.write_bytes(rng.randbytes(4096))
    assert "not an ONNX model" in refusal(e2bird("inspect", path))
    for _ in range(60):
        noisy = bytearray(whole)
        for _ in range(rng.randrange(1, 8)):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        path.write_bytes(noisy)
        result = e2bird("inspect", path)
        assert result.returncode == 0 or refusal(result)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/", "/nowhere.onnx"])
@pytest.mark.parametrize("command", ["inspect", "run", "bench"])
def test_no_file(command, path):
    assert path in refusal(e2bird(command, path))


def test_weights_larger_than_the_device(tmp_path):
    save(tmp_path / "big.onnx", [node("MatMul", ["x", "w"], ["y"])],
         inputs=[("x", FLOAT, ["N", 1024])], outputs=[("y", FLOAT, ["N", 1024])],
         constants=[ones("w", 1024, 1024)])
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 0}\ndevice: {select: cpu, memory_limit_mb: 1}\n"
                      "models: [{name: big, path: big.onnx, slots: 1, batch_sizes: [1]}]\n")
    line = refusal(e2bird("serve", config))
    assert "weights" in line and '"big"' in line and "memory_limit_mb" in line


def test_slots_larger_than_the_device(tmp_path):
    save(tmp_path / "wide.onnx", [node("Relu", ["x"], ["y"])],
         inputs=[("x", FLOAT, ["N", 1 << 24])], outputs=[("y", FLOAT, ["N", 1 << 24])])
    config = tmp_path / "config.yaml"
    config.write_text("server: {port: 0}\ndevice: {select: cpu, memory_limit_mb: 128}\n"
                      "models: [{name: wide, path: wide.onnx, slots: 32, batch_sizes: [1]}]\n")
    line = refusal(e2bird("serve", config))
    assert "slots" in line and '"wide"' in line and "at most" in line


def test_one_pixel_results(tmp_path):
    """A pool whose result is the model's, in both precisions."""
    path = save(tmp_path / "mean.onnx", [node("GlobalAveragePool", ["x"], ["y"])],
                inputs=[("x", FLOAT, ["N", 3, 16, 16])], outputs=[("y", FLOAT, ["N", 3, 1, 1])])
    image = np.random.default_rng(1).random((2, 3, 16, 16), np.float32)
    np.save(tmp_path / "x.npy", image)
    for precision, error in (("fp32", 1e-5), ("fp16", 5e-3)):
        result = e2bird("run", path, "--input", f"x={tmp_path}/x.npy", "--precision", precision,
                        "--device", "cpu", "--output-dir", tmp_path)
        assert result.returncode == 0, result.stderr
        got = np.load(os.path.join(tmp_path, "y.npy"))
        assert np.abs(got - image.mean((2, 3), keepdims=True)).max() < error
