"""tools/test_results.py on what ctest really writes about tests that end in every way."""

import shutil
import subprocess
import unittest

from script_case import ScriptCase

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(sample NONE)
enable_testing()
"""
TESTS = {
    "good": "echo fine",
    "partly": "echo 'SKIP: no second device'",
    "all_skipped": "echo 'SKIP: no device'; echo '[  PASSED  ] 0 test(s).'",
    "pytest_skipped": "echo 'SKIPPED [2] a_test.py:3: no model'; echo '2 skipped in 0.01s'",
    "skipped": "echo 'SKIP: no libfoo'; exit 77",
    "silent": "exit 77",
    "bad": "exit 1",
    "crash": "kill -SEGV $$",
}


class TestResults(ScriptCase):
    def results(self, names, more=""):
        if not shutil.which("ctest"):
            self.skipTest("ctest is not in PATH")
        text = PROJECT
        for name in names:
            text += f"add_test(NAME {name} COMMAND sh -c [=[{TESTS[name]}]=])\n"
            text += f"set_tests_properties({name} PROPERTIES SKIP_RETURN_CODE 77)\n"
        self.write("CMakeLists.txt", text + more)
        build = self.root / "build"
        subprocess.run(["cmake", "-S", self.root, "-B", build], check=True, capture_output=True)
        subprocess.run(["ctest", "--test-dir", build, "--output-junit", "results.xml"],
                       check=False, capture_output=True)
        code, output, _ = self.script("test_results.py", build / "results.xml")
        return code, output.splitlines()

    def test_success(self):
        self.assertEqual(self.results(["good"]), (0, ["1 passed, 0 failed, 0 skipped"]))

    def test_skips_are_told_with_their_reasons(self):
        code, lines = self.results(["good", "partly", "all_skipped", "pytest_skipped", "skipped"])
        self.assertEqual(code, 0)
        self.assertEqual(sorted(lines[:-1]), [
            "skipped a part of partly: no second device",
            "skipped all_skipped: no device",
            "skipped pytest_skipped: a_test.py:3: no model",
            "skipped skipped: no libfoo"])
        self.assertEqual(lines[-1], "2 passed, 0 failed, 3 skipped")

    def test_a_skip_without_a_reason_failed(self):
        self.assertEqual(self.results(["good", "silent"]),
                         (1, ["FAILED silent", "1 passed, 1 failed, 0 skipped"]))

    def test_whatever_did_not_run_to_its_end_failed(self):
        code, lines = self.results(["good", "bad", "crash"], """
add_test(NAME absent COMMAND /nonexistent/program)
add_test(NAME slow COMMAND sleep 20)
set_tests_properties(slow PROPERTIES TIMEOUT 1)
""")
        self.assertEqual(code, 1)
        self.assertEqual(lines[:-1], ["FAILED bad", "FAILED crash", "FAILED absent", "FAILED slow"])
        self.assertEqual(lines[-1], "1 passed, 4 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main()
