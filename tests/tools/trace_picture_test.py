"""tools/trace_picture.py on small traces."""

import json
import unittest
import xml.etree.ElementTree as ElementTree

from script_case import ScriptCase

SVG = "{http://www.w3.org/2000/svg}"


def name(tid, text, kind="thread_name"):
    return {"pid": 1, "tid": tid, "ph": "M", "name": kind, "args": {"name": text}}


def span(tid, start_us, duration_us, category, text):
    return {"pid": 1, "tid": tid, "ph": "X", "ts": start_us, "dur": duration_us, "cat": category,
            "name": text}


EVENTS = [
    name(0, "net", "process_name"), name(2, "batches of 2, instance 0"), name(100000, "slot 0"),
    name(100001, "slot 1"),
    {"pid": 1, "tid": 0, "ph": "C", "ts": 5000, "name": "waiting", "args": {"slots": 2}},
    {"pid": 1, "tid": 0, "ph": "C", "ts": 6000, "name": "waiting", "args": {"slots": 0}},
    span(100000, 4000, 2000, "slot", "READY"), span(100001, 5000, 1000, "slot", "READY"),
    span(2, 6000, 3000, "batch", "2 of 2"), span(2, 500000, 3000, "batch", "1 of 2"),
    span(100000, 6000, 3000, "slot", "RUNNING"), span(100001, 6000, 3000, "slot", "RUNNING"),
]


class TracePicture(ScriptCase):
    def draw(self, *arguments):
        trace = self.write("trace.json", json.dumps({"traceEvents": EVENTS}))
        output = self.root / "out.svg"
        code, _, errors = self.script("trace_picture.py", trace, output, *arguments)
        picture = ElementTree.parse(output).getroot() if output.exists() else None
        return code, errors, picture

    def widths(self, picture, colour):
        return [float(box.get("width")) for box in picture.iter(SVG + "rect")
                if box.get("fill") == colour and box.get("height") != "10"]

    def test_the_busiest_part_is_drawn(self):
        code, errors, picture = self.draw("--length", "10", "--title", "A test")
        self.assertEqual((code, errors), (0, ""))
        texts = [text.text for text in picture.iter(SVG + "text")]
        for expected in ("A test", "(at most 2)", "batches of 2, instance 0", "2 slots", "10 ms"):
            self.assertIn(expected, texts)
        self.assertEqual(texts.count("2"), 2)  # one batch of 2, and a tick; the later batch is not
        ready, running = self.widths(picture, "#f0c24b"), self.widths(picture, "#4a9d5b")
        self.assertEqual([round(width) for width in ready], [152, 76])
        self.assertEqual([round(width) for width in running], [228, 228, 228])

    def test_a_part_by_time(self):
        _, _, picture = self.draw("--start", "499", "--length", "10")
        self.assertEqual(self.widths(picture, "#f0c24b"), [])
        self.assertEqual(len(self.widths(picture, "#4a9d5b")), 1)

    def test_a_model_that_is_not_there(self):
        code, errors, picture = self.draw("--model", "other")
        self.assertEqual((code, picture), (1, None))
        self.assertIn("has no model 'other': it has net", errors)


if __name__ == "__main__":
    unittest.main()
