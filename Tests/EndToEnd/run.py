"""Runs one set of end-to-end tests with unittest and ends with the line `N passed, N failed, N skipped`."""

import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Lines(unittest.TextTestResult):
    """One line for each test, with its time, so that a log says what was slow."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self.began = time.monotonic()

    def report(self, mark, test, remark=""):
        took = time.monotonic() - getattr(self, "began", time.monotonic())
        self.stream.writeln(f"{mark:7} {took:6.2f} s  {name_of(test)}{remark}")
        self.stream.flush()

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.report("ok", test)

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self.report("FAILED", test)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self.report("FAILED", test)

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self.report("skipped", test, f": {reason}")


def name_of(test):
    return test.id().removeprefix("__main__.").replace("cases.", "", 1)


def main():
    name, arguments = sys.argv[1], sys.argv[2:]
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if arguments and not arguments[0].startswith("-"):
        tests = loader.loadTestsFromNames(arguments)
    else:
        tests = loader.discover(str(HERE / name), pattern="test_*.py", top_level_dir=str(HERE))
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Lines, verbosity=1)
    result = runner.run(tests)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = max(0, result.testsRun - bad - skipped)
    print(f"end to end, {name}: {passed} passed, {bad} failed, {skipped} skipped", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
