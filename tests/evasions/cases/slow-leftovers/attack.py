from kit import write

import os

write(
    "tests/test_background.py",
    "import subprocess\nimport sys\n\n\ndef test_background() -> None:\n"
    f'    argv = [sys.executable, "-c", "import time; time.sleep(20)", "{os.environ["EVASION_MARK"]}"]\n'
    "    null = subprocess.DEVNULL\n    for _ in range(8):\n"
    "        subprocess.Popen(argv, start_new_session=True, stdin=null, stdout=null, stderr=null)\n",
)
