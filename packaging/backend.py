"""Setuptools' build backend, plus the two start-up files in the root of every wheel.

Setuptools has no public way to put a `.pth` file into a wheel, ordinary or editable; the
hooks of PEP 517 and PEP 660 are public, and a wheel is a zip file with a list.
"""

import base64
import hashlib
import zipfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

_PLUGIN = Path(__file__).with_name("rewardsmith_plugin.py")
_ADDED = {
    "rewardsmith_plugin.py": _PLUGIN.read_bytes(),
    "rewardsmith_plugin.pth": b"import rewardsmith_plugin\n",
}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the wheel and adds the start-up files."""
    name = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return _add(wheel_directory, name)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the editable wheel and adds the start-up files."""
    name = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    return _add(wheel_directory, name)


def _add(folder, name):
    path = Path(folder, name)
    with zipfile.ZipFile(path) as wheel:
        files = {item: wheel.read(item) for item in wheel.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for item, data in files.items():
            if item.filename.endswith(".dist-info/RECORD"):
                data = b"".join(map(_record, _ADDED.items())) + data
            wheel.writestr(item, data)
        for added, data in _ADDED.items():
            wheel.writestr(added, data)
    return name


def _record(item):
    name, data = item
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n".encode()
