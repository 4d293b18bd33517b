"""For tools/demo.sh: find a free port, and show an answer of the server and compare it with the
record."""

import json
import pathlib
import re
import socket
import sys

RECORD = pathlib.Path(__file__).parent / "models" / "demo_record.json"
STAGES = {
    "fill": "body read, image decoded into its slot",
    "upload": "slot copied to the device",
    "wait": "ready, until a batch was decided",
    "queue": "batch decided, until the device began",
    "compute": "on the device",
    "download": "result copied back",
    "total": "all, from the request's arrival",
}


def free_port(wanted):
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise SystemExit("no TCP port is free")


def classes(answer):
    """(probability, index, label) of each class in an answer's only output."""
    (output,) = answer["outputs"]
    for text in output["data"]:
        probability, index, label = text.split(":", 2)
        yield float(probability), int(index), label


def timing(headers):
    """Milliseconds by stage, from E2b-Timing."""
    line = re.search(r"^E2b-Timing:(.*)$", headers, re.IGNORECASE | re.MULTILINE)
    return {name: float(value)
            for name, value in re.findall(r"(\w+);dur=([\d.]+)", line[1] if line else "")}


def show(answer_path, headers_path):
    """Status 0 if the best label is the one on record."""
    answer = json.loads(pathlib.Path(answer_path).read_text())
    if "error" in answer:
        raise SystemExit(f"the server answered: {answer['error']}")
    best = list(classes(answer))
    print()
    for probability, index, label in best:
        print(f"  {100 * probability:5.1f} %  {label} ({index})")
    print("\nWhere the time went")
    times = timing(pathlib.Path(headers_path).read_text())
    for stage, milliseconds in times.items():
        print(f"  {stage:9} {milliseconds:8.2f} ms  {STAGES.get(stage, '')}")
    expected = json.loads(RECORD.read_text())["best"][0]
    return 0 if times and best[0][1:] == (expected["index"], expected["label"]) else 1


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    if verb == "free-port":
        print(free_port(int(arguments[0])))
    else:
        sys.exit(show(*arguments))
