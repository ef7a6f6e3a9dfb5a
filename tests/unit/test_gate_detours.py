"""Ways around a scanner that knows calls by their names, and what looks like one and is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.findings import Effect
from pev.gate.detours import find_detours

OS = "import os\n"
SUB = "import subprocess\n"


def found(source: str, **more: bool) -> list[tuple[str, int]]:
    return [(one.rule, one.line) for one in find_detours(source, **more)]


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nasyncio.create_subprocess_shell(x)\n",
        "from asyncio import create_subprocess_shell as send\nsend(x)\n",
        "import asyncio.subprocess\nasyncio.subprocess.create_subprocess_shell(x)\n",
        "loop = new_loop()\nloop.subprocess_shell(factory, x)\n",
        "import pty\npty.spawn(x)\n",
        "import posix\nposix.system(x)\n",
        "import shutil\nshutil.os.system(x)\n",
        "import ctypes\nctypes.CDLL(None).system(x)\n",
        "from ctypes import cdll as libs\nlibs.LoadLibrary(x)\n",
        "import types\ntypes.FunctionType(x, {})()\n",
        "source = read()\ncompile(source, 'x', 'exec')\n",
        "import timeit\ntimeit.timeit(x)\n",
        "import runpy\nrunpy.run_path(x)\n",
        "import builtins\nbuiltins.exec(x)\n",
        "from builtins import eval as price\nprice(x)\n",
        "def f(): pass\nf.__code__ = f.__code__.replace(co_consts=())\n",
    ],
)
def test_risky_calls_without_a_rule_are_held(source: str) -> None:
    """Under whatever name they were imported."""
    assert ("risky-call", 2) in found(source)


@pytest.mark.parametrize("source", ["import cffi\n", "from _ctypes import dlopen\n"])
def test_another_way_into_c_libraries_is_held(source: str) -> None:
    assert found(source) == [("risky-call", 1)]


@pytest.mark.parametrize(
    "source",
    [
        "price = eval\n",
        "run(exec, 'x')\n",
        "def f(how=eval): ...\n",
        "TABLE = {'price': eval}\n",
        "if x: eval = None\nprice = [eval]\n",
        "price = eval\neval = None\n",
        "from functools import partial\nrun = partial(compile, filename='x')\n",
        "from os import system\nrun = system\n",
        "import pickle\nload = pickle.loads\n",
        "from os import *\n",
        OS + "o = os\n",
        OS + "run(os)\n",
        OS + "vars(os)\n",
        "import builtins as b\nrun(b)\n",
        "import shutil\nfiles = shutil.os\n",
        "import sys\nevery = sys.modules\n",
        "@eval\ndef f(): ...\n",
        OS + "def object(x): return x\nobject(os)\n",
    ],
)
def test_risky_names_taken_as_values_are_held(source: str) -> None:
    """Whoever calls them later does so under a name that no scanner knows."""
    assert "risky-value" in [rule for rule, _ in found(source)]


@pytest.mark.parametrize(
    "source",
    [
        OS + "getattr(os, 'system')(x)\n",
        OS + "getattr(os, name)(x)\n",
        "import asyncio\ngetattr(asyncio, 'create_subprocess_shell')\n",
        "import sys\nsys.modules['os'].system(x)\n",
        "from sys import modules\nmodules.get('subprocess')\n",
        "import importlib\nimportlib.import_module('os')\n",
        "__import__('subprocess')\n",
        OS + "globals()['os']\n",
        "globals()['eval']\n",
        "__builtins__['eval']\n",
        "f.__globals__['__builtins__']\n",
        "import inspect\ninspect.currentframe().f_builtins\n",
        "().__class__.__base__.__subclasses__()\n",
        "object.__subclasses__()\n",
        "import shutil\ngetattr(shutil, 'os').system(x)\n",
        "from operator import attrgetter\nimport shutil\nattrgetter('os.system')(shutil)(x)\n",
        "import pkgutil\npkgutil.resolve_name('os:system')(x)\n",
        "import pydoc\npydoc.locate('shutil.os.system')(x)\n",
        "import importlib\nimportlib.__import__('os')\n",
    ],
)
def test_looking_up_a_risky_name_by_a_text_is_held(source: str) -> None:
    assert "hidden-lookup" in [rule for rule, _ in found(source)]


@pytest.mark.parametrize("key", ["vars(os)['system']", "os.__dict__['popen']", "vars(os).get('system')"])
def test_a_module_s_own_table_is_no_way_to_call_it(key: str) -> None:
    """There is no honest reason for it."""
    effects = [one.effect for one in find_detours(f"{OS}{key}(x)\n") if one.named.startswith("os.")]

    assert Effect.BLOCKS in effects


@pytest.mark.parametrize(
    "source",
    [
        "HOW = {'shell': True}\nsubprocess.call(x, **HOW)\n",
        "subprocess.call(x, **{'shell': True})\n",
        "subprocess.call(x, **{'shell': flag})\n",
        "HOW = {}\nHOW['shell'] = flag\nsubprocess.call(x, **HOW)\n",
        "HOW = {}\nHOW.update(more)\nsubprocess.call(x, **HOW)\n",
        "HOW = {}\nHOW |= more\nsubprocess.call(x, **HOW)\n",
        "from settings import HOW\nsubprocess.call(x, **HOW)\n",
        "HOW = {}\nHOW[key] = True\nsubprocess.call(x, **HOW)\n",
        "def run(**how):\n    how['shell'] = 1\n    subprocess.run(x, **how)\n",
        "subprocess.Popen(x, -1, None, None, None, None, None, True, True)\n",
        "from functools import partial\nHOW = dict([('shell', 2)])\nsubprocess.run(x, **HOW)\n",
    ],
)
def test_arguments_that_cannot_be_followed_are_held(source: str) -> None:
    assert "keyword-mapping" in [rule for rule, _ in found(SUB + source)]


@pytest.mark.parametrize(
    "source",
    [
        SUB + "def run(*args, **how):\n    return subprocess.run(args, **how)\n",
        SUB + "def run(**how):\n    how = {**how, 'text': True}\n    return subprocess.run(x, **how)\n",
        SUB + "HOW = {'text': True}\nHOW['cwd'] = here\nHOW.update(env=mine)\nsubprocess.run(x, **HOW)\n",
        SUB + "HOW = dict(text=True, cwd='x')\nsubprocess.run(x, **(HOW if y else {}))\n",
        SUB + "runner = subprocess.run\nrunner(['ls'])\n",
        "OPTIONS = {'shell': '/bin/bash'}\nstart(**OPTIONS)\n",
        "import re\nre.compile(x)\nfrom re import compile\ncompile(x)\n",
        "def f(eval=False):\n    return eval\n",
        "class Model:\n    def eval(self): ...\n\n\nModel().eval()\n",
        "def compile(x): ...\n\n\ntable = [compile]\n",
        "import platform\nplatform.system()\n",
        OS
        + "getattr(os, 'getuid', None)\nhasattr(os, 'fork')\nos.environ['SYSTEM']\nassert os.system is x\n",
        OS + "[os for os in x]\n\n\ndef f(os):\n    return os\n",
        "import sys\nsys.modules[__name__]\nsys.modules['app'] = None\n",
        "import types\nisinstance(x, types.FunctionType)\n",
        "from ctypes import Structure, c_int\nclass Point(Structure):\n    _fields_ = [('x', c_int)]\n",
        "import ast\ncompile(source, 'x', 'exec', ast.PyCF_ONLY_AST)\ncompile('1', 'x', 'eval')\n",
        "import timeit\ntimeit.timeit(lambda: f(1))\n",
        "class Base: ...\nBase.__subclasses__()\n",
        "vars(arguments)['system']\nglobals()['name']\n",
        "import operator\noperator.attrgetter('os.name')\noperator.methodcaller('system')\n",
        "import importlib\nimportlib.import_module('json')\nimportlib.import_module(name)\n",
        "class A:\n    def f(self):\n        return self.os, getattr(self, 'os')\n",
        "not python(\n",
    ],
)
def test_honest_code_that_looks_like_it_is_left_alone(source: str) -> None:
    assert found(source) == []


def test_tests_may_replace_what_a_module_offers() -> None:
    source = OS + "monkeypatch.setattr(os, 'getcwd', fake)\nmock.patch.object(os, 'fork')\n"

    assert found(source, in_tests=True) == []
    assert len(found(source)) == 2


def test_what_a_source_of_another_encoding_says_is_seen() -> None:
    """Bytes are read the way Python reads them."""
    raw = b"# coding: utf-7\nimport os\n# +AAo-run +AD0 os.system\n"

    assert [one.rule for one in find_detours(raw)] == ["risky-value"]


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert all(one.line >= 1 for one in find_detours(text))


@pytest.mark.parametrize(
    "source",
    [
        'subprocess.run(["sh", "-c", text])\n',
        'subprocess.run(("/bin/bash", "-lc", f"ls {x}"))\n',
        'argv = ["sudo", "dash", "-c", text, "extra"]\n',
        'run(["powershell.exe", "-Command", text])\n',
        'run(["cmd", "/C", "del " + x])\n',
    ],
)
def test_a_shell_in_a_list_of_arguments_is_a_shell(source: str) -> None:
    assert found(source) == [("risky-call", 1)]


@pytest.mark.parametrize(
    "source",
    [
        'run(["sh", "-c", "echo done"])\n',
        'run(["git", "-c", option, "log"])\n',
        'run(["python", "-c", text])\n',
        'names = ["sh", "-c"]\n',
        'run(["bash", script])\n',
        'SHELLS = ("sh", "bash", name)\n',
    ],
)
def test_a_list_that_starts_no_shell_with_a_text_is_none(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nfor one in sys.modules.values():\n    one.system(x)\n",
        "import sys\nfound = [m for n, m in sys.modules.items() if n > 'o']\n",
        "import sys\nfor name in sys.modules:\n    pass\n",
        "from sys import modules as known\nlist(known.copy())\n",
    ],
)
def test_searching_all_modules_is_held(source: str) -> None:
    """Nothing in it says which one is meant. Tests that clean up after themselves may do it."""
    assert found(source) == [("risky-value", 2)]
    assert found(source, in_tests=True) == []


def test_asking_for_one_module_by_its_name_is_none() -> None:
    assert found("import sys\nhere = sys.modules[__name__]\nthere = 'app' in sys.modules\n") == []
