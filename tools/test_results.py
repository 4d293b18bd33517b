#!/usr/bin/env python3
"""Reads the results that ctest wrote as JUnit XML, lists what was skipped and why, and what failed,
and ends with "N passed, N failed, N skipped". A skip without a reason counts as failed. The exit
code is 0 if none failed."""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree

REASON = re.compile(r"^SKIP(?:PED)?:? (?:\[\d+\] )?(.*)$", re.MULTILINE)
# The last lines of cmocka and pytest where every case of a program was skipped.
ALL_SKIPPED = re.compile(r"^(?:\[  PASSED  \] 0 test\(s\)\.|\d+ skipped in .*)$", re.MULTILINE)


def state(case):
    """passed, failed or skipped; a skip needs a reason, and whatever ctest could not finish failed."""
    outcome = stated(case)
    return "failed" if outcome == "skipped" and not reasons(case) else outcome


def stated(case):
    status = case.get("status")
    if status == "run" and case.find("failure") is None:
        output = case.findtext("system-out") or ""
        return "skipped" if ALL_SKIPPED.search(output) else "passed"
    skipped = case.find("skipped")
    if status in ("notrun", "disabled") and skipped is not None:
        # ctest writes a skip by exit code like a test that it could not start
        return "skipped" if "SKIP_" in (skipped.get("message") or "") else "failed"
    return "failed"


def reasons(case):
    """The "SKIP: reason" lines of the test's output, each once."""
    output = case.findtext("system-out") or ""
    return list(dict.fromkeys(REASON.findall(output)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("junit", help="file written by ctest --output-junit")
    cases = list(ElementTree.parse(parser.parse_args().junit).iter("testcase"))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for case in cases:
        outcome = state(case)
        count[outcome] += 1
        if outcome == "skipped":
            print(f"skipped {case.get('name')}: {'; '.join(reasons(case))}")
        elif outcome == "passed":
            for reason in reasons(case):
                print(f"skipped a part of {case.get('name')}: {reason}")
    for case in cases:
        if state(case) == "failed":
            print(f"FAILED {case.get('name')}")
    if not cases:
        print("FAILED: there was no test to run")
        count["failed"] = 1
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
