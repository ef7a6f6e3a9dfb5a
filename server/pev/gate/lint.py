"""The check `lint`: what does `ruff check` say?"""

from typing import ClassVar, Final

from pev.gate.ruff import Ruff

# something for each family of rules that a project may have chosen alone
_PLANTED: Final = """\
import os, sys
from typing import *
import json
class planted_class(object):
    def Method(self, l, x = [], *, id=None):
        try:
            if x == None: print(undefined_name); return 1
            else:
                return dict(a=1)
        except:
            pass
        assert(x, 'text')
        unused = lambda: 0
        raise Exception('%s' % l)
    def other(self): return eval('1') ;
    if planted_class in {}.keys(): size = 1\x20
    else: size = 2
def test_planted(a,b): return [i for i in list(range(10))]  # TODO planted
#print(1)
"""


class Lint(Ruff):
    """`ruff check`, with the trusted configuration, fixing nothing."""

    name = "lint"
    weight: ClassVar[int] = 20
    words: ClassVar[tuple[str, ...]] = ("check", "--no-fix", "--no-fix-only", "--no-unsafe-fixes")
    defects: ClassVar[tuple[str, ...]] = (
        *("syntax", "invalid-syntax", "E9", "PLE", "W605"),
        *("F402", "F404", "F406", "F407", "F50", "F52", "F6", "F7", "F811", "F82", "F9"),
    )
    remedy: ClassVar[str] = "Correct the code; `ruff rule CODE` explains the rule."
    planted: ClassVar[str] = _PLANTED
