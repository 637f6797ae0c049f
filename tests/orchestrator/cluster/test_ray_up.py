"""`ray up`, `ray submit`, `ray rsync-down` and `ray down` with the project's own cluster.yaml, for real.

The node is this machine, reached by ssh through namespaces of its own: `ray stop` ends every Ray that it
can see, so it must see nobody else's. What the test replaces in the file is where the node is, where results
go, and the installation, which becomes the environment that runs the test.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ADDRESS = "10.77.0.1"
TOOLS = ("sshd", "ssh", "ssh-keygen", "rsync", "unshare", "ip", "mount", "ps")
NAMESPACES = [
    *("unshare", "--pid", "--fork", "--mount-proc", "--mount"),
    *("--uts", "--ipc", "--net", "--kill-child"),
]

NODE = """
set -eu
cd {root}
mount -t tmpfs tmpfs /dev/shm
mkdir -p /tmp/ray /run/sshd
mount -t tmpfs tmpfs /tmp/ray
hostname node
printf '127.0.0.1 localhost\\n{address} node\\n' > {work}/hosts
: > {work}/resolv.conf
mount --bind {work}/hosts /etc/hosts
mount --bind {work}/resolv.conf /etc/resolv.conf
ip link set lo up
ip link add veth0 type veth peer name veth1
ip addr add {address}/24 dev veth0
ip link set veth0 up
ip link set veth1 up
"$(command -v sshd)" -f {work}/sshd_config -E {work}/sshd.log
export HOME={work}/laptop PATH={bin}:$PATH
ray get-auth-token --generate > /dev/null
ray up -y {work}/cluster.yaml
export RAY_AUTH_MODE=disabled
RAY_ADDRESS={address}:6379 python -m equipose.experiments doctor > {work}/stranger || true
unset RAY_AUTH_MODE
ray submit {work}/cluster.yaml experiments/awc_sweep.py -- --preset smoke --quiet
ray rsync-down {work}/cluster.yaml {work}/shared/ {work}/fetched/
ps -eo args > {work}/before
ray down -y {work}/cluster.yaml
ps -eo args > {work}/after
"""

SSHD = """
ListenAddress {address}:22
HostKey {work}/host_key
AuthorizedKeysFile {work}/key.pub
PidFile {work}/sshd.pid
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
SetEnv HOME={work}/home
"""


def why_not() -> str | None:
    """The reason why the test cannot run here, or None."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return f"no {', '.join(missing)} here"
    if os.getuid() != 0:
        return "namespaces of one's own need root"
    tried = subprocess.run(
        [*NAMESPACES, "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"]
    )
    return "this system gives no namespaces or virtual networks" if tried.returncode else None


def cluster_file(work: Path) -> Path:
    """The project's cluster.yaml for one node in `work`, with what is installed here already."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    # Ray keeps ssh connections in /tmp by the cluster's name: another run's must not be mistaken for ours.
    config["cluster_name"] = f"equipose-{uuid.uuid4().hex[:8]}"
    config["provider"] |= {"head_ip": ADDRESS, "worker_ips": []}
    config["auth"] = {"ssh_user": "root", "ssh_private_key": str(work / "key")}
    environment = (ROOT / "clusters/environment.sh").read_text()
    (work / "environment.sh").write_text(environment.replace("/shared/equipose", str(work / "shared")))
    config["file_mounts"]["~/equipose/environment.sh"] = str(work / "environment.sh")
    installing = [command for command in config["setup_commands"] if "venv" in command]
    assert len(installing) == 3
    others = [command for command in config["setup_commands"] if command not in installing]
    config["setup_commands"] = [f"ln -sfn {sys.prefix} ~/equipose/.venv", *others]
    path = work / "cluster.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a cluster that was started, used and stopped."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    work = tmp_path_factory.mktemp("cluster")
    for name in ("laptop", "home"):
        (work / name).mkdir()
    for key in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / key], check=True)
    (work / "sshd_config").write_text(SSHD.format(address=ADDRESS, work=work))
    cluster_file(work)
    script = NODE.format(root=ROOT, work=work, address=ADDRESS, bin=Path(sys.executable).parent)
    dropped = ("RAY_ADDRESS", "RAY_AUTH_MODE", "MLFLOW_TRACKING_URI", "EQUIPOSE_OUT")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment["PATH"] += ":/usr/sbin:/sbin"
    with (work / "log").open("w") as log:
        ended = subprocess.run(
            [*NAMESPACES, "bash", "-c", script], stdout=log, stderr=log, env=environment, timeout=1500
        )
    assert ended.returncode == 0, (work / "log").read_text()[-5000:]
    return work


@pytest.mark.slow
def test_results_of_a_submitted_sweep_come_back(finished: Path) -> None:
    outcome = json.loads((finished / "fetched/sweeps/awc-simulated-smoke-001/outcome.json").read_text())
    assert outcome["trials_left"] == 0
    with sqlite3.connect(finished / "fetched/mlflow.db") as database:
        states = database.execute("select status, count(*) from runs group by status").fetchall()
    assert states == [("FINISHED", 7)], "six trials and their parent"


@pytest.mark.slow
def test_the_script_joined_the_cluster_and_tracked_where_its_nodes_can_reach(finished: Path) -> None:
    heads = [line for line in (finished / "before").read_text().splitlines() if "gcs_server" in line]
    assert len(heads) == 1, "no Ray besides the cluster's own"
    assert f"http://{ADDRESS}:" in (finished / "fetched/mlflow-server.log").read_text()


@pytest.mark.slow
def test_who_has_no_token_is_turned_away(finished: Path) -> None:
    assert "does not accept our token" in " ".join((finished / "stranger").read_text().split())
    assert (finished / "home/.ray/auth_token").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_nothing_of_ray_is_left(finished: Path) -> None:
    left = (finished / "after").read_text()
    assert "sshd" in left
    for process in ("raylet", "gcs_server", "mlflow", "dashboard", "monitor"):
        assert process in (finished / "before").read_text() or process == "mlflow"
        assert process not in left
