"""Control tasks: grids and points, mostly sparse."""
