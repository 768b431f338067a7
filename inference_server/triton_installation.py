"""Where the embedded Triton is, and whether it can run: the virtual environment with NVIDIA's `nvidia-pytriton` wheel.

The wheel carries a genuine `tritonserver` with its python backend, but needs numpy < 2; so it lives in an environment
of its own, `.venv-triton`, which ``make run`` builds. Whatever is wrong with it is one `SettingsError` with a way out.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sarcopenia.domain.errors import SettingsError

REBUILD: Final = "Run `make run` in the project's folder: it builds the environment (SARCOPENIA_TRITON_ENVIRONMENT)."
PROBE_TIMEOUT_S: Final = 60.0
PROBE: Final = """
import json, sys, sysconfig
from importlib.metadata import PackageNotFoundError, version
def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
print(json.dumps({
    "python": "%d.%d" % sys.version_info[:2],
    "site_packages": sysconfig.get_path("platlib"),
    "library_dir": sysconfig.get_config_var("LIBDIR"),
    "packages": {name: installed(name) for name in ("nvidia-pytriton", "numpy", "onnxruntime")},
}))
"""


@dataclass(frozen=True)
class TritonInstallation:
    """The parts of an environment that a server needs.

    Attributes
    ----------
    server: the `tritonserver` program. python_backend: folder of its python backend.
    stub: the program that runs a python backend under this environment's Python.
    bin_dir: the environment's ``bin``; first on the server's PATH, so that the stub finds its packages.
    library_dirs: folders for LD_LIBRARY_PATH: the wheel's libraries, and the interpreter's own.
    """

    server: Path
    python_backend: Path
    stub: Path
    bin_dir: Path
    library_dirs: tuple[Path, ...]


def find_triton(environment: Path) -> TritonInstallation:
    """Find the server in a virtual environment and check that it can run.

    Raises
    ------
    SettingsError: no environment, a package missing, numpy 2 or newer, a Python without stub or shared library.
    """
    facts = _probe(environment / "bin" / "python")
    _require_packages(environment, facts["packages"])
    site_packages = Path(facts["site_packages"])
    triton = site_packages / "pytriton" / "tritonserver"
    stub = triton / "python_backend_stubs" / facts["python"] / "triton_python_backend_stub"
    if not stub.is_file():
        raise SettingsError(
            f"Triton's environment {environment} has Python {facts['python']}, which Triton cannot use.",
            "Remove the folder, install Python 3.11, and run `make run`.",
        )
    _require_shared_python(facts["python"], Path(facts["library_dir"]))
    return TritonInstallation(
        server=triton / "bin" / "tritonserver",
        python_backend=triton / "backends" / "python",
        stub=stub,
        bin_dir=environment / "bin",
        library_dirs=(site_packages / "nvidia_pytriton.libs", Path(facts["library_dir"])),
    )


def _probe(python: Path) -> dict:
    """Ask the environment's own interpreter about itself."""
    if not python.exists():
        raise SettingsError(f"Triton is missing: there is no environment {python.parents[1]}.", REBUILD)
    try:
        answer = subprocess.run(  # noqa: S603 # our own environment's interpreter
            [python, "-I", "-c", PROBE], capture_output=True, check=True, text=True, timeout=PROBE_TIMEOUT_S
        )
        return json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SettingsError(
            f"Triton's environment {python.parents[1]} is damaged: its Python does not run.",
            f"Remove the folder. {REBUILD}",
        ) from error


def _require_packages(environment: Path, packages: dict[str, str | None]) -> None:
    missing = [name for name, version in packages.items() if version is None]
    if missing:
        raise SettingsError(f"Triton is missing: {environment} has no {' and no '.join(missing)}.", REBUILD)
    numpy = packages["numpy"] or ""
    if int(numpy.split(".", maxsplit=1)[0]) >= 2:
        raise SettingsError(
            f"Triton's environment {environment} has numpy {numpy}; the server would send empty answers with it.",
            f"Remove the folder. {REBUILD}",
        )


def _require_shared_python(version: str, library_dir: Path) -> None:
    name = f"libpython{version}.so.1.0"
    if not (library_dir / name).exists():
        raise SettingsError(
            f"Triton needs the shared library {name}, which is not in {library_dir}.",
            f"Install it (Debian, Ubuntu: apt-get install libpython{version}) or a Python built with --enable-shared.",
        )
