"""Who answers: services, models in this process; what they may spend; what they said."""
