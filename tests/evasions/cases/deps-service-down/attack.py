# The service is down: case.toml says so.
