#!/usr/bin/env python3
"""Draws a part of a trace (`e2bird serve --trace`, `e2bird lab --trace`) as SVG: how many slots wait,
copies to the device, the batches of each instance with their number of samples and the copies out of
them, by the device's times, and each slot's states. By default the
part begins where most slots wait. For the whole trace and every detail, open it in Perfetto."""

import argparse
import json
import pathlib
import sys

STATES = {"FILLING": "#c9d7e8", "COPYING": "#7fa8d9", "READY": "#f0c24b", "RUNNING": "#4a9d5b",
          "DRAINING": "#a678c4", "DONE": "#d8d8d8"}
BATCH = "#4a9d5b"
LEFT, WIDTH, TOP, BATCH_ROW, QUEUE = 150, 760, 34, 22, 60
SLOT_ROW, SLOTS = 7, 280  # a slot's height, unless all together would be higher than this


class Trace:
    """The events of one model, times in ms."""

    def __init__(self, path, model):
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        models = {event["args"]["name"]: event["pid"] for event in events
                  if event["name"] == "process_name"}
        if model is None:
            model = next(iter(models))
        if model not in models:
            sys.exit(f"trace_picture: {path} has no model {model!r}: it has {', '.join(models)}")
        self.model = model
        own = [event for event in events if event["pid"] == models[model]]
        self.rows = {event["tid"]: event["args"]["name"] for event in own
                     if event["name"] == "thread_name"}
        self.spans = [(event["ts"] / 1e3, (event["ts"] + event["dur"]) / 1e3, event["tid"],
                       event["cat"], event["name"]) for event in own if event["ph"] == "X"]
        self.waiting = [(event["ts"] / 1e3, event["args"]["slots"]) for event in own
                        if event["ph"] == "C"]

    def busiest(self):
        """A little before the moment when most slots wait."""
        return max(self.waiting, key=lambda point: point[1])[0] if self.waiting else 0


class Picture:
    def __init__(self, start, length):
        self.start, self.length, self.y, self.parts = start, length, TOP, []

    def x(self, ms):
        return LEFT + WIDTH * (min(max(ms, self.start), self.start + self.length)
                               - self.start) / self.length

    def text(self, x, y, text, size=11, anchor="start", colour="#333"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}">{text}</text>')

    def box(self, begin, end, y, height, colour):
        self.parts.append(f'<rect x="{self.x(begin):.1f}" y="{y:.1f}" height="{height}" '
                          f'width="{max(self.x(end) - self.x(begin), 0.4):.1f}" '
                          f'fill="{colour}"/>')

    def seen(self, span):
        return span[1] > self.start and span[0] < self.start + self.length

    def queue(self, points):
        most = max([count for ms, count in points if self.seen((ms, ms))], default=1) or 1
        self.text(LEFT - 8, self.y + 12, "slots that wait", anchor="end")
        self.text(LEFT - 8, self.y + 26, f"(at most {most})", size=9, anchor="end")
        base, last = self.y + QUEUE, 0
        line = []
        for ms, count in points:
            if ms > self.start + self.length:
                break
            line += [(self.x(ms), last), (self.x(ms), count)]
            last = count
        line.append((LEFT + WIDTH, last))
        path = " ".join(f"{x:.1f},{base - (QUEUE - 8) * count / most:.1f}" for x, count in line)
        self.parts.append(f'<polygon points="{line[0][0]:.1f},{base} {path} {LEFT + WIDTH},{base}" '
                          f'fill="{STATES["READY"]}"/>')
        self.y += QUEUE + 14

    def copies(self, way, label, state, trace):
        self.text(LEFT - 8, self.y + 9, label, anchor="end")
        for span in trace.spans:
            if span[3:] == ("transfer", way) and self.seen(span):
                self.box(span[0], span[1], self.y, BATCH_ROW - 10, STATES[state])
        self.y += BATCH_ROW

    def batches(self, trace):
        self.copies("in", "copies in", "COPYING", trace)
        used = sorted({span[2] for span in trace.spans if span[3] == "batch" and self.seen(span)})
        for row in used:
            self.text(LEFT - 8, self.y + 13, trace.rows[row], anchor="end")
            for span in trace.spans:
                if span[2] == row and self.seen(span):
                    self.box(span[0], span[1], self.y, BATCH_ROW - 5, BATCH)
                    middle = (self.x(span[0]) + self.x(span[1])) / 2
                    self.text(middle, self.y + 13, span[4].split()[0], 10, "middle", "white")
            self.y += BATCH_ROW
        self.copies("out", "copies out", "DRAINING", trace)
        self.y += 12

    def slots(self, trace):
        shown = [span for span in trace.spans if span[4] in STATES and self.seen(span)]
        rows = sorted({span[2] for span in shown})
        self.text(LEFT - 8, self.y + 10, f"{len(rows)} slots", anchor="end")
        height = min(SLOT_ROW, SLOTS / max(len(rows), 1))
        at = {row: self.y + height * index for index, row in enumerate(rows)}
        for span in shown:
            self.box(span[0], span[1], at[span[2]], round(height * 0.85, 1), STATES[span[4]])
        self.y += height * len(rows) + 10

    def axis(self):
        step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e9)
                    if self.length / step <= 12)
        ticks = int(self.length / step)
        for tick in range(ticks + 1):
            x = self.x(self.start + tick * step)
            self.parts.insert(0, f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{self.y:.0f}" '
                                 'stroke="#e4e4e4"/>')
            self.text(x, self.y + 12, f"{tick * step:g}" + (" ms" if tick == ticks else ""), 10,
                      "middle")
        x = LEFT
        for state, colour in STATES.items():
            self.parts.append(f'<rect x="{x}" y="{self.y + 22:.1f}" width="10" height="10" '
                              f'fill="{colour}"/>')
            self.text(x + 14, self.y + 31, state, 10)
            x += 84
        self.y += 42

    def svg(self, title):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" '
                f'height="{self.y:.0f}" font-family="sans-serif">\n'
                '<rect width="100%" height="100%" fill="white"/>\n'
                f'<text x="{LEFT}" y="20" font-size="13" fill="#333">{title}</text>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=pathlib.Path, help="file that --trace wrote")
    parser.add_argument("output", type=pathlib.Path, help="SVG file to write")
    parser.add_argument("--model", help="its name in the trace (default: the first)")
    parser.add_argument("--start", type=float, help="ms since the trace's clock began")
    parser.add_argument("--length", type=float, default=100, help="ms (default 100)")
    parser.add_argument("--title", help="above the picture (default: the model)")
    given = parser.parse_args()
    trace = Trace(given.trace, given.model)
    start = given.start if given.start is not None else trace.busiest() - given.length / 4
    picture = Picture(start, given.length)
    picture.queue(trace.waiting)
    picture.batches(trace)
    picture.slots(trace)
    picture.axis()
    given.output.write_text(picture.svg(given.title or trace.model), encoding="utf-8")


if __name__ == "__main__":
    main()
