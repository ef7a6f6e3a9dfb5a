from kit import edit

edit("pyproject.toml", "dependencies = []", "dependencies = [\"requests==2.19.0 ; sys_platform == 'win32'\"]")
