"""What mypy knows of the standard library, kept between gates: it takes longer to read than a small project.

It is made by a run over a file of ours, in a folder that holds nothing else but the configuration; so it
depends on mypy, its Python and that text, and on no code of any repository. mypy itself does not use what was
made with other options, or of other files.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pev.errors import PevError
from pev.gate.clock import Clock
from pev.gate.interface import Bench, Checkout, Tool
from pev.models import digest_of, hash_json
from pev.proc import Ending

_FORMAT: Final = 1
_LIMIT_S: Final = 60.0
_COMMON: Final = (
    "import abc, argparse, collections.abc, contextlib, dataclasses, datetime, decimal, enum, functools, io\n"
    "import itertools, json, logging, math, os, pathlib, random, re, shutil, string, subprocess, sys\n"
    "import tempfile, threading, time, types, typing, typing_extensions, urllib.parse, uuid, warnings\n"
)


async def warm(bench: Bench, tool: Tool, config: Path | None, cache: Path) -> None:
    """Fill a cache folder of mypy, which is not there yet, with what is known of the standard library.

    `config` is the configuration that mypy is to be run with; it must name no plugin, which is code. Without
    effect where nothing can be kept.
    """
    text = config.read_bytes() if config is not None else b""
    name = config.name if config is not None else "mypy.ini"
    key = hash_json([_FORMAT, list(tool.argv), tool.version, sys.version, name, digest_of(text), _COMMON])

    async def make(empty: Checkout) -> Path | None:
        (empty.root / name).write_bytes(text or b"[mypy]\n")
        (empty.root / "common.py").write_text(_COMMON, encoding="utf-8")
        made = empty.scratch / "cache"
        argv = [*tool.argv, *_options(name, made), "--no-site-packages", "--", "common.py"]
        done = await bench.run(argv, cwd=empty.root, checkout=empty, clock=Clock(_LIMIT_S), tool=tool)
        return made if done.ending is Ending.EXITED and done.code in (0, 1) and made.is_dir() else None

    try:
        await bench.copy_kept(key, cache, make)
    except (PevError, OSError):
        return  # it takes longer without; what is really wrong, the check itself will say


def _options(config: str, cache: Path) -> Sequence[str]:
    return ("--config-file", config, "--cache-dir", str(cache), "--no-error-summary")
