"""types_test.py - the analysis is what its type annotations say, where mypy is installed."""

import glob
import os
import shutil
import subprocess

from common import finish, ok, skip, source, work

if shutil.which("mypy") is None:
    skip("types", "no mypy (Debian: mypy)")
else:
    command = [
        "mypy",
        "--strict",
        "--ignore-missing-imports",
        f"--cache-dir={work.name}",
        *glob.glob(os.path.join(source, "analysis", "*.py")),
    ]
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=source, env={**os.environ, "MYPYPATH": source}
    )
    ok(result.returncode == 0, "mypy --strict finds nothing wrong", result.stdout + result.stderr)

finish()
