from kit import write

write("setup.py", 'import importlib\n\nimportlib.import_module("setuptools").setup(install_requires=["requests==2.19.0"])\n')
