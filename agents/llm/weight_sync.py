"""New weights for a vLLM server, by the folder it was started from.

The server is started in development mode, which is for networks that are trusted:

    VLLM_SERVER_DEV_MODE=1 vllm serve FOLDER --served-model-name tiny --enable-sleep-mode

and told by its documented requests (docs.vllm.ai, "Sleep Mode") to drop its weights and its
key-value cache, to read the folder again, and to go on.
"""

from __future__ import annotations

from pathlib import Path

from rewardsmith.agents.endpoint import Endpoint
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.envs.errors import ConfigError

_STEPS: tuple[tuple[str, dict[str, str]], ...] = (
    ("sleep?level=2", {}),
    ("wake_up?tags=weights", {}),
    ("collective_rpc", {"method": "reload_weights"}),
    ("wake_up?tags=kv_cache", {}),
)
"""A server that sleeps answers no completion; what it cached of the old weights is gone."""


def send_weights(policy: Policy, endpoint: Endpoint, folder: Path) -> None:
    """Has a server go on with a policy's weights; turns under way are broken off.

    Call it after every update, else the server's turns are those of an older policy: their
    log-probabilities still are the ones they were drawn with, so a clipped ratio to them stays
    right, but the gradient is no longer on-policy.

    Args:
        policy: Whose weights.
        endpoint: The server; its address ends in "/v1".
        folder: The folder it was started from, as this machine sees it.

    Raises:
        ConfigError: If the folder holds no model, the policy has adapters, which a server
            reads in another way, or the server was started without the two settings.
        ServerError: If the server gives no usable answer; it may be asleep then, and the same
            call wakes it.
    """
    if not (folder / "config.json").exists():
        raise ConfigError(
            f"{folder} holds no model; save one there, start the server from it, and name it here"
        )
    if policy.model is not policy.causal_lm:
        raise ConfigError(
            "the policy has adapters, and a server reads whole weights; train without lora_rank"
        )
    policy.model.save_pretrained(folder)
    root = endpoint.url.rstrip("/").removesuffix("/v1")
    for path, body in _STEPS:
        endpoint.post(f"{root}/{path}", body)
