"""The gate: judges a snapshot by a policy that the change cannot touch, and says what it measured."""
