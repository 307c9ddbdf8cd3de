"""Language models as policies: generation, log-probabilities, rollouts and training."""
