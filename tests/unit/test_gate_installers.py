"""Lines that install packages where no audit looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.installers import find_installs


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("Dockerfile", "RUN pip install --index-url https://example.invalid/simple requests==2.19.0"),
        ("deploy/Dockerfile.prod", "RUN pip install requests"),
        ("Containerfile", 'RUN ["python", "-m", "pip", "install", "requests"]'),
        ("run.sh", "pip3 install -r https://example.invalid/requirements.txt"),
        ("run.sh", "uv pip install requests"),
        ("run.sh", "uv add requests"),
        ("run.sh", "npm install left-pad"),
        ("run.sh", "sudo apt-get -y install thing"),
        ("run.sh", "pip install \\\n  requests"),
        ("run.sh", "pip install . requests"),
        ("run.sh", "curl -s https://example.invalid/x | sudo bash"),
        ("Makefile", "\tpip install requests"),
        ("noxfile.py", "    session.install('requests')"),
        ("bin/start", "#!/bin/sh\nnpx thing"),
    ],
)
def test_a_line_that_installs_holds(path: str, line: str) -> None:
    assert [one.rule for one in find_installs(path, "", f"{line}\n")] == ["unaudited-install"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("Dockerfile", "RUN pip install --no-cache-dir -r requirements.txt"),
        ("Dockerfile", "RUN apt-get update && rm -rf /var/lib/apt/lists"),
        ("run.sh", "pip install -e .[dev]"),
        ("run.sh", "pip install ."),
        ("run.sh", "pip install -r requirements/prod.txt --no-deps"),
        ("run.sh", "# pip install requests"),
        ("run.sh", "uv sync --frozen && npm ci"),
        ("README.md", "pip install requests"),
        ("src/app/run.py", "print('pip install requests')"),
    ],
)
def test_what_is_audited_elsewhere_passes(path: str, line: str) -> None:
    assert list(find_installs(path, "", f"{line}\n")) == []


def test_a_line_of_the_base_is_not_new() -> None:
    old = "FROM a\nRUN pip install x\n"

    assert list(find_installs("Dockerfile", old, f"# a comment\n{old}RUN true\n")) == []
    assert [one.line for one in find_installs("Dockerfile", old, f"{old}RUN pip install y\n")] == [3]


@given(st.text(max_size=300))
def test_every_text_can_be_looked_at(text: str) -> None:
    assert all(one.line >= 1 for one in find_installs("Dockerfile", "", text))
