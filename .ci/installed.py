"""Check an installation of nertool from its wheel: entry point, templates, type marker, two stages.

python .ci/installed.py        with the interpreter of that installation, outside the repository
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path


def main() -> None:
    """Run the commands as a user does."""
    nertool = str(Path(sys.executable).parent / "nertool")
    printed = subprocess.run([nertool, "--version"], check=True, capture_output=True, text=True).stdout
    assert version("nertool") in printed, printed
    assert (files("nertool") / "report" / "report.html").is_file(), "the page template is not in the wheel"
    assert (files("nertool") / "py.typed").is_file(), "py.typed is not in the wheel"
    assert (files("nertool") / "exporting" / "export_readme.md").is_file(), "the README of exports is not in the wheel"
    with tempfile.TemporaryDirectory() as workspace:
        for words in (["download", "sample"], ["check"]):
            subprocess.run([nertool, *words, "--quiet", "-w", workspace], check=True, stdout=subprocess.DEVNULL)
    print(f"installed: {printed.strip()}")


if __name__ == "__main__":
    main()
