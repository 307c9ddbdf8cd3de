"""A program tried: trained on in the jail, judged outside it, and the better ones for longer."""
