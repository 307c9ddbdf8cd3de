"""Registers `rewardsmith/*` as soon as Gymnasium is imported, whoever imports it.

Gymnasium 1.0 removed its `gymnasium.envs` entry points, so an installed package can no
longer offer ids to `gym.make` by itself. This module is named in a `.pth` file, which
Python runs at start; it does nothing but wait for `import gymnasium` to complete.
"""

import importlib.util
import sys
from importlib.abc import MetaPathFinder


class _AfterGymnasium(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_then_register(module):
                load(module)
                _register()

            spec.loader.exec_module = load_then_register
        return spec


def _register():
    try:
        from rewardsmith.envs.registration import register_envs
    except ImportError:  # half uninstalled: Gymnasium must still work
        return
    register_envs()


sys.meta_path.insert(0, _AfterGymnasium())
