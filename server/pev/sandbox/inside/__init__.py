"""Scripts that are run by a bare interpreter, outside of PEV's own process: they import nothing of PEV."""
