"""What the tests of several jobs use."""

import sys

import pytest

from swemill.cli.main import main


@pytest.fixture
def swemill(mill, monkeypatch, capsys):
    """The command line on this mill: ``swemill("explain", ...)`` gives exit code, output and errors."""
    monkeypatch.setenv("SWEMILL_HOME", str(mill.settings.home))
    monkeypatch.setenv("SWEMILL_DATABASE_URL", mill.store.url)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["swemill", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run
