from kit import write

import json

cells = [{"cell_type": "code", "execution_count": None, "id": "a1", "metadata": {}, "outputs": [], "source": ["import subprocess\n", "\n", "subprocess.call(input(), shell=True)"]}]
write("docs/print.ipynb", json.dumps({"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n")
