"""The user's repositories and what PEV makes of them: depots, worktrees, snapshots, file tools."""
