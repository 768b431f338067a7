"""What is wrong with Triton's environment is said in one line with a way out."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference_server.triton_installation import find_triton
from sarcopenia.domain.errors import SettingsError

PACKAGES = {"nvidia-pytriton": "0.7.0", "numpy": "1.26.4", "onnxruntime": "1.20.0"}


def environment(folder: Path, *, stub_for: str = "3.11", library: bool = True, **changes: Any) -> Path:
    """A folder that looks like Triton's environment; its Python answers the probe with these facts."""
    site_packages = folder / "site-packages"
    facts = {"python": "3.11", "site_packages": str(site_packages), "library_dir": str(folder / "lib")} | changes
    facts.setdefault("packages", PACKAGES)
    stub = site_packages / "pytriton/tritonserver/python_backend_stubs" / stub_for / "triton_python_backend_stub"
    stub.parent.mkdir(parents=True)
    stub.touch()
    (folder / "lib").mkdir()
    if library:
        (folder / "lib" / "libpython3.11.so.1.0").touch()
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(facts)}\nEND\n")
    python.chmod(0o755)
    return folder


def test_a_whole_environment_is_found(tmp_path: Path) -> None:
    found = find_triton(environment(tmp_path))
    assert found.server == tmp_path / "site-packages/pytriton/tritonserver/bin/tritonserver"
    assert found.stub.parent.name == "3.11"
    assert found.library_dirs == (tmp_path / "site-packages/nvidia_pytriton.libs", tmp_path / "lib")


def refusal(folder: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        find_triton(folder)
    return caught.value


def test_missing_environment_sends_to_make_run(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nothing")
    assert "missing" in error.message
    assert "make run" in error.next_step
    assert "SARCOPENIA_TRITON_ENVIRONMENT" in error.next_step


def test_missing_package_is_named(tmp_path: Path) -> None:
    error = refusal(environment(tmp_path, packages=PACKAGES | {"onnxruntime": None}))
    assert "onnxruntime" in error.message
    assert "make run" in error.next_step


def test_new_numpy_is_named(tmp_path: Path) -> None:
    assert "numpy 2.1.0" in refusal(environment(tmp_path, packages=PACKAGES | {"numpy": "2.1.0"})).message


def test_python_without_stub_is_named(tmp_path: Path) -> None:
    error = refusal(environment(tmp_path, python="3.7"))
    assert "Python 3.7" in error.message
    assert "Python 3.11" in error.next_step


def test_python_without_shared_library_is_named(tmp_path: Path) -> None:
    error = refusal(environment(tmp_path, library=False))
    assert "libpython3.11.so.1.0" in error.message
    assert "libpython3.11" in error.next_step


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho nonsense\n", "not a program"])
def test_damaged_environment_is_told(tmp_path: Path, text: str) -> None:
    folder = environment(tmp_path)
    (folder / "bin" / "python").write_text(text)
    assert "damaged" in refusal(folder).message
