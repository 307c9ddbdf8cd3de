"""Who learns: agents, and the jobs that train, judge and compare them."""
