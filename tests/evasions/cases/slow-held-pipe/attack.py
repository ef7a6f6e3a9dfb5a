from kit import write

write("tests/test_background.py", """import subprocess
import sys


def test_background() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
""")
