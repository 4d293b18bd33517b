"""Runs a network by the `e2bird` command and by ONNX Runtime on the same input."""

import pathlib
import subprocess
import tempfile

import numpy as np


class Refused(Exception):
    """`e2bird run` ended with an error; the text is its message."""


def sample_images(shape, seed=1):
    """Like photographs: large areas of colour, edges and noise; about unit variance."""
    random = np.random.default_rng(seed)
    batch, channels, height, width = shape
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    waves = random.uniform(1, 12, (batch, channels, 2, 1, 1))
    smooth = np.sin(waves[:, :, 0] * x + waves[:, :, 1] * y)
    edges = np.sign(x + y - random.uniform(0.5, 1.5, (batch, 1, 1, 1)))
    noise = random.standard_normal(shape)
    return (smooth + 0.5 * edges + 0.5 * noise).astype(np.float32)


def sample_tokens(name, shape, seed=1):
    """What a tokenizer yields, for words of any vocabulary of 1,000 or more: of each row a random
    part is text, in two sentences, and the rest is padding."""
    random = np.random.default_rng(seed)
    place = np.arange(shape[1])
    length = random.integers(shape[1] // 2, shape[1] + 1, (shape[0], 1))
    second = (length * random.uniform(0.3, 0.7, (shape[0], 1))).astype(np.int64)
    values = {"input_ids": np.where(place < length, random.integers(1, 1000, shape), 0),
              "attention_mask": place < length,
              "token_type_ids": (place >= second) & (place < length)}
    return values[name].astype(np.int64)


class Reference:
    """A network in ONNX Runtime. `shape(batch)` is that of its first input; `samples(batch)` are
    arrays for all of them by name."""

    def __init__(self, path):
        import onnxruntime  # where results are only compared with saved ones, it is not needed

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        self._inputs = self._session.get_inputs()
        self.input_name = self._inputs[0].name
        self.batch_is_free = not isinstance(self._inputs[0].shape[0], int)

    def shape(self, batch):
        first = batch if self.batch_is_free else self._inputs[0].shape[0]
        return (first, *self._inputs[0].shape[1:])

    def samples(self, batch, seed=1):
        return {value.name: sample_images(self.shape(batch), seed) if "float" in value.type
                else sample_tokens(value.name, self.shape(batch), seed) for value in self._inputs}

    def run(self, inputs):
        """The first output; `inputs` is a dictionary, or the array for the first input."""
        if not isinstance(inputs, dict):
            inputs = {self.input_name: inputs}
        return self._session.run(None, inputs)[0]


def e2bird(command, network, inputs, precision="fp32", device=None):
    """The only output of a network, run by `e2bird run`."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        arguments = [str(command), "run", str(network), "--precision", precision]
        for index, (name, array) in enumerate(inputs.items()):
            np.save(folder / f"{index}.npy", array)
            arguments += ["--input", f"{name}={folder / f'{index}.npy'}"]
        if device:
            arguments += ["--device", device]
        outputs = folder / "outputs"
        outputs.mkdir()
        done = subprocess.run([*arguments, "--output-dir", str(outputs)], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or f"status {done.returncode}")
        (path,) = outputs.rglob("*.npy")
        return np.load(path)


def relative_error(output, reference):
    """Of the whole tensor; infinite if it is not one that could be compared."""
    if output.shape != reference.shape or not np.isfinite(output).all():
        return float("inf")
    reference = reference.astype(np.float64)
    return float(np.linalg.norm(output - reference) / np.linalg.norm(reference))
