"""Who writes rewards: programs, the jail they run in, clients, designers and the loop."""
