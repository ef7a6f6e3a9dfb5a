"""A setup.py is read, never run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.setup_script import outside_of_metadata, required

PLAIN = b"""\
'''Builds app.'''
from setuptools import find_packages, setup

setup(name="app", version="1.0", packages=find_packages("src"), install_requires=["requests>=2"])
"""


def test_plain_metadata_is_data() -> None:
    more = PLAIN.replace(b'"1.0"', b'"1.1", python_requires=">=3.9"').replace(b"find_packages, ", b"")

    assert outside_of_metadata(more) == outside_of_metadata(PLAIN) == outside_of_metadata(None)


@pytest.mark.parametrize(
    "new",
    [
        PLAIN.replace(b'["requests>=2"]', b'open("r.txt").read()'),
        PLAIN.replace(b"name=", b"cmdclass={'install': Own}, name="),
        PLAIN.replace(b"name=", b"entry_points={'pytest11': ['a = b']}, name="),
        PLAIN + b"print('hello')\n",
        b"import os\n" + PLAIN,
        PLAIN.replace(b"import find_packages, setup", b"import find_packages, setup as run"),
        PLAIN.replace(b"find_packages('src')", b"f()").replace(b'find_packages("src")', b"f()"),
        b"import importlib\nimportlib.import_module('setuptools').setup(install_requires=['a'])\n",
    ],
)
def test_what_is_computed_or_runs_is_more(new: bytes) -> None:
    assert outside_of_metadata(new) != outside_of_metadata(PLAIN)


def test_what_is_no_python_cannot_be_compared() -> None:
    assert outside_of_metadata(b"def (") is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("setup(install_requires=['a==1', 'b'])", ("a==1", "b")),
        ("setup(install_requires='a==1\\nb')", ("a==1", "b")),
        ("setup(extras_require={'web': ['a'], 'dev': 'b'})", ("a", "b")),
        ("own(**{'install_requires': ['a']})", ("a",)),
        ("INSTALL_REQUIRES = ('a',)\nsetup(install_requires=INSTALL_REQUIRES)", ("a",)),
        ("__import__('setuptools').setup(install_requires=['a'])", ("a",)),
        ("setup(install_requires=read())", ()),
        ("def (", ()),
    ],
)
def test_requirements_that_stand_there_are_read(text: str, names: tuple[str, ...]) -> None:
    assert required(text.encode()) == names


@given(st.binary(max_size=200))
def test_every_text_can_be_read(raw: bytes) -> None:
    assert isinstance(required(raw), tuple)
    assert outside_of_metadata(raw) is None or isinstance(outside_of_metadata(raw), str)
