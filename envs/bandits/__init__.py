"""One state, many arms."""
