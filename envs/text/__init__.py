"""Tasks that are spoken: an agent writes messages, calls tools and answers."""
