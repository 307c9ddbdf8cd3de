"""PLACEHOLDER: the original `RunFolder` of this file was lost. Write the original again here.

The work on records and the report overwrote it by mistake at 08:34 (it was not yet
committed, so there is no copy in git). The code that overwrote it now lives in
agents/finished.py. Nothing else was overwritten.
"""

raise ImportError(
    "agents/run_folder.py was overwritten by mistake at 08:34 by the work on records and the "
    "report; its RunFolder must be written again from the author's copy (see the file's docstring)")
