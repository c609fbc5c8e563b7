"""What a run hands to its bench, which is another process."""

import json
import os
from pathlib import Path
from typing import Any

CASE = "FUSIONCIM_CASE"
"""Environment variable with the name of the file that holds the bench's case, as JSON."""


def case() -> dict[str, Any]:
    """In a bench: the case it was started with."""
    data: dict[str, Any] = json.loads(Path(os.environ[CASE]).read_text(encoding="utf-8"))
    return data
