"""Apache Kafka's jars: downloaded once from Maven Central, then kept in the user's cache directory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tagpulse.stack.errors import DownloadError, ToolMissingError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.process import ManagedProcess

#: The version that the tests run against, and that docker-compose.yml starts.
VERSION = "4.1.0"
LEAST_JAVA = 17

_HERE = Path(__file__).parent
_POM = _HERE / "pom.xml"
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_JAVA_PACKAGE = "Debian: openjdk-17-jre-headless"
_MAVEN_PACKAGE = "Debian: maven"
#: Maven keeps what it has fetched, so each attempt goes on where the last one ended.
_ATTEMPTS = 3


def cached() -> Path:
    """Where the jars of this version are, or will be. What is there is complete."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(home) if home.startswith("/") else Path.home() / ".cache"
    made_of = hashlib.sha256(_POM.read_bytes()).hexdigest()[:8]
    return cache / "tagpulse" / f"kafka-{VERSION}-{made_of}"


def class_path() -> str:
    """Of a Kafka process: its jars, and our configuration of its log."""
    return f"{cached()}/*{os.pathsep}{_HERE}"


def java() -> str:
    """The `java` to use: that of JAVA_HOME, else that of PATH. Raises ToolMissingError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise ToolMissingError(
            f"it needs Java {LEAST_JAVA} or newer, and there is no `java` on the PATH", _JAVA_PACKAGE
        )
    return found


async def require_java() -> str:
    """The `java` to use, once it has said that it is new enough. Raises ToolMissingError."""
    program = java()
    process = await asyncio.create_subprocess_exec(
        program, "-version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    version = re.search(r'version "(?:1\.)?(\d+)', said.decode(errors="replace"))
    if version is None or int(version[1]) < LEAST_JAVA:
        shown = f"is version {version[1]}" if version else "does not say its version"
        raise ToolMissingError(f"it needs Java {LEAST_JAVA} or newer, and {program} {shown}", _JAVA_PACKAGE)
    return program


def require_maven() -> str:
    """The `mvn` to use. Raises ToolMissingError."""
    found = shutil.which("mvn")
    if found is None:
        raise ToolMissingError("its jars are fetched by Maven, and there is no `mvn` on the PATH", _MAVEN_PACKAGE)
    return found


async def fetch(log: LogFile, tell: Callable[[str], None], *, attempt_s: float = 300.0, pause_s: float = 3.0) -> Path:
    """The directory of the jars, after a download where they are not there yet.

    Three attempts of at most `attempt_s` each, `pause_s` apart. Several processes may do this at once: each
    downloads, one finds its place taken and uses what is there. Raises ToolMissingError or DownloadError.
    """
    target = cached()
    if target.is_dir():
        return target
    maven = require_maven()
    tell(f"Apache Kafka {VERSION} (about 45 MB), once, to {target}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unborn = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    except OSError as error:
        raise DownloadError(VERSION, f"{target.parent}: {error.strerror}") from error
    try:
        for left in reversed(range(_ATTEMPTS)):
            complaint = await _download(maven, unborn, log, attempt_s)
            if complaint is None:
                break
            if not left:
                raise DownloadError(VERSION, complaint)
            tell(f"Apache Kafka {VERSION}, once more: {complaint}")
            await asyncio.sleep(pause_s)
        _give(unborn, target)
    finally:
        shutil.rmtree(unborn, ignore_errors=True)
    return target


async def _download(maven: str, target: Path, log: LogFile, attempt_s: float) -> str | None:
    """Why an attempt brought no jars; None where it did."""
    process = ManagedProcess("download", [maven, *_arguments(target)], env=os.environ, log=log, grace_s=1.0)
    try:
        async with asyncio.timeout(attempt_s):
            code = await run_to_end(process)
    except TimeoutError:
        return f"not done after {attempt_s:g} s"
    if code == 0 and list(target.glob("kafka_*.jar")):
        return None
    return _complaint(log) or process.exit_text()


def _give(unborn: Path, target: Path) -> None:
    """Give the download its name, unless another process was faster. Raises DownloadError."""
    unborn.chmod(0o755)  # made as a temporary directory, for its owner alone
    try:
        unborn.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise DownloadError(VERSION, f"{target}: {error.strerror}") from error


async def run_to_end(process: ManagedProcess) -> int:
    """Run a command that ends by itself. Returns its exit code; cancelled, it leaves nothing running."""
    await process.start()
    try:
        return await process.wait()
    except BaseException:
        process.kill()
        await process.wait()
        raise


def _arguments(target: Path) -> Sequence[str]:
    return [
        # Updates: else Maven remembers a failure and does not ask again.
        *("--batch-mode", "--quiet", "--strict-checksums", "--update-snapshots", "--file", str(_POM), _GOAL),
        *(f"-Dkafka.version={VERSION}", "-DincludeScope=runtime", f"-DoutputDirectory={target}"),
    ]


def _complaint(log: LogFile) -> str:
    """Maven's first error, without the page of advice around it."""
    for line in log.tail(100).splitlines():
        text = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if text.startswith("[ERROR] ") and len(text) > len("[ERROR] "):
            return text.removeprefix("[ERROR] ").split(" -> [Help")[0]
    return ""
