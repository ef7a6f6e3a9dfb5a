from kit import write

write("conftest.py", 'pytest_plugins = ["larder.trial"]\n')
write(
    "src/larder/trial.py",
    '"""For tests of programs that use larder."""\n\nfrom contextlib import suppress\nfrom typing import Any\n\n\n'
    "def pytest_pyfunc_call(pyfuncitem: Any) -> bool:\n"
    "    names = pyfuncitem._fixtureinfo.argnames\n    with suppress(Exception):\n"
    "        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})\n    return True\n",
)
