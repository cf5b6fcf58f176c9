"""Structured test results: run a repository's tests in a sandbox, read what they reported."""

from swemill.testreports.reader import read_report, report_from_json, report_to_json
from swemill.testreports.runner import run_tests

__all__ = ["read_report", "report_from_json", "report_to_json", "run_tests"]
