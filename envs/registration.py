"""Registers `rewardsmith/*` with Gymnasium.

An installed rewardsmith does so as soon as Gymnasium is imported (`packaging/`), so that
`gym.make("rewardsmith/KeyDoor-v0")` needs no import of ours; importing `rewardsmith.envs`
does it too.
"""

from __future__ import annotations

ENTRY_POINTS = {
    "KeyDoor-v0": "rewardsmith.envs.control.key_door:KeyDoor",
    "DeepSea-v0": "rewardsmith.envs.control.deep_sea:DeepSea",
    "PointMaze-v0": "rewardsmith.envs.control.point_maze:PointMaze",
    "BernoulliBandit-v0": "rewardsmith.envs.bandits.bernoulli:BernoulliBandit",
    "GaussianBandit-v0": "rewardsmith.envs.bandits.gaussian:GaussianBandit",
    "AdversarialBandit-v0": "rewardsmith.envs.bandits.adversarial:AdversarialBandit",
    "MatrixGame-v0": "rewardsmith.envs.bandits.matrix_game:MatrixGame",
    "IncentiveBandit-v0": "rewardsmith.envs.bandits.incentive:IncentiveBandit",
    "LinearBandit-v0": "rewardsmith.envs.bandits.linear:LinearBandit",
    "LipschitzBandit-v0": "rewardsmith.envs.bandits.lipschitz:LipschitzBandit",
    "TallyingBandit-v0": "rewardsmith.envs.bandits.tallying:TallyingBandit",
    "CascadingBandit-v0": "rewardsmith.envs.bandits.cascading_bandit:CascadingBandit",
    "CascadingMDP-v0": "rewardsmith.envs.bandits.cascading_mdp:CascadingMDP",
    "Calculator-v0": "rewardsmith.envs.text.calculator:Calculator",
    "SQL-v0": "rewardsmith.envs.text.sql:SQL",
    "FunctionCalling-v0": "rewardsmith.envs.text.function_calling:FunctionCalling",
    "SearchQA-v0": "rewardsmith.envs.text.search_qa:SearchQA",
    "KnapsackBandit-v0": "rewardsmith.envs.bandits.knapsack:KnapsackBandit",
    "RoutingBandit-v0": "rewardsmith.envs.bandits.routing:RoutingBandit",
    "PolicyBandit-v0": "rewardsmith.envs.bandits.policies:PolicyBandit",
    "LipschitzContexts-v0": "rewardsmith.envs.bandits.lipschitz_contexts:LipschitzContexts",
    "SemanticID-v0": "rewardsmith.envs.bandits.semantic_id:SemanticID",
    "SessionRecommender-v0": "rewardsmith.envs.bandits.session:SessionRecommender",
    "WholePage-v0": "rewardsmith.envs.bandits.page:WholePage",
    "Rerank-v0": "rewardsmith.envs.bandits.rerank:Rerank",
}


def register_envs() -> None:
    """Registers every environment, single view and numpy-vectorised version, once."""
    from gymnasium.envs.registration import register, registry

    for name, batch in ENTRY_POINTS.items():
        module, env_id = batch.partition(":")[0], f"rewardsmith/{name}"
        if env_id not in registry:
            register(env_id, entry_point=f"{module}:single", vector_entry_point=batch)
