"""Our own scenarios; each prints a ratio against the machine's floor, measured in the same run."""
