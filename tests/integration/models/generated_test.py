import hashlib

import pytest

import generate
import packages

SMALL = ["mobilenet_v2", "mobilenet_v3", "efficientnet_b0", "resnet50"]
LARGE = ["inception_v3", "inception_v4", "resnet152", "vgg16"]
TRANSFORMERS = ["bert_base", "bert_base_opset14", "vit_b16"]
FOLDER = packages.MODELS / "generated"


@pytest.mark.parametrize("name", SMALL)
def test_small_network(check, name):
    check(generate.generate(name, FOLDER), batches=(1, 3))


@pytest.mark.parametrize("name", LARGE)
def test_large_network(check, name):
    check(generate.generate(name, FOLDER))


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet50"])
def test_half_precision(check, name):
    check(generate.generate(name, FOLDER), "fp16")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformer(check, name, precision):
    check(generate.generate(name, FOLDER), precision)


@pytest.mark.parametrize("make, name", [(generate.generate, "mobilenet_v2"),
                                        (generate.generate, "bert_small"),
                                        (generate.generate_light, "light_squeezenet")])
def test_same_bytes_each_time(tmp_path, make, name):
    def digest(folder):
        return hashlib.sha256(make(name, folder).read_bytes()).digest()

    assert digest(tmp_path / "one") == digest(tmp_path / "two")
