"""Configurations that are wrong: the place, the key and the way out, and nothing is loaded."""

import socket

import pytest
from conftest import e2bird, refusal

MODEL = "models: [{name: m, path: pair.onnx%s}]\n"


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "is empty"),
        ("[1, 2]\n", "not a mapping"),
        ("models: [{name: m\n", "not YAML"),
        ("\tmodels:\n", "not YAML"),
        ("a: &x [*x]\n", "anchors"),
        ("[" * 5000, "levels deep"),
        ("models: []\n", "1..64"),
        ("models: [{name: m}]\n", "models[0].path"),
        (MODEL % ", slts: 3", 'did you mean "slots"'),
        (MODEL % ", slots: many", "is not an integer"),
        (MODEL % ", slots: 0", "outside 1..65536"),
        (MODEL % ", slots: 4, slots: 5", "given twice"),
        (MODEL % ", slots: 4, batch_sizes: [1, 8]", "8 is more than slots"),
        (MODEL % ", batch_sizes: [8, 1]", "ascending"),
        (MODEL % ", weight: .nan", "is not a number"),
        (MODEL % ", labels: missing.txt", "missing.txt"),
        (MODEL % ", labels: .", "regular file"),
        (MODEL % ", image: {input: z}", '"z"'),
        (MODEL % ", image: {input: a}", '"a" cannot be an image'),
        ("models: [{name: m, path: none.onnx}]\n", "none.onnx"),
        ("models: [{name: m, path: pair.onnx}, {name: m, path: pair.onnx}]\n", "models[0]"),
        ("server: {port: 99999}\n" + MODEL % "", "outside 0..65535"),
        ("scheduler: {policy: elastc}\n" + MODEL % "", 'did you mean "elastic"'),
        ("scheduler: {options: {patiense_us: 4}}\n" + MODEL % "", 'did you mean "patience_us"'),
        ("scheduler: {options: {patience_us: 0}}\n" + MODEL % "", "is outside"),
        ("scheduler: {options: {patience_us: soon}}\n" + MODEL % "", "is not an integer"),
    ],
)
def test_wrong_text(folder, text, says):
    config = folder / "wrong.yaml"
    config.write_text(text)
    for command in ("check", "serve"):
        assert says in refusal(e2bird(command, config))


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/", "/nowhere.yaml"])
def test_no_file(path):
    assert path in refusal(e2bird("check", path))


def test_not_text(tmp_path):
    config = tmp_path / "noise.yaml"
    config.write_bytes(bytes(range(128, 256)) * 8)
    assert "UTF-8" in refusal(e2bird("check", config))
    config.write_bytes(b"#" * (2 << 20))
    assert "more than" in refusal(e2bird("check", config))


@pytest.mark.parametrize(
    "address, says", [("no.such.host", "numeric"), ("203.0.113.7", "cannot listen")]
)
def test_address(folder, address, says):
    config = folder / "address.yaml"
    config.write_text(f"server: {{address: {address}, port: 0}}\n" + MODEL % "")
    assert says in refusal(e2bird("serve", config))


def test_port_in_use_shows_before_anything_is_loaded(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = folder / "port.yaml"
        config.write_text(f"server: {{port: {taken.getsockname()[1]}}}\n" + MODEL % "")
        result = e2bird("serve", config)
    assert "already in use" in refusal(result)
    assert len(result.stderr.splitlines()) == 1
