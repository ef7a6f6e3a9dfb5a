"""Code of ours that runs inside a project's interpreter: it imports nothing of PEV."""
