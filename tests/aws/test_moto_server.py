from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_ecs_tasks.aws import moto_server
from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.aws.moto_server import MotoParent
from pytest_ecs_tasks.errors import EcsTaskError

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="looks at processes through Linux's pidfd and /proc"
)

# What a pytest process does with moto, as far as these tests are concerned. It tells three process ids and
# waits.
VICTIM = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pytest_ecs_tasks.aws.moto_server import MotoParent
parent = MotoParent()
child = parent.spawn()
forked = os.fork() if sys.argv[2] == "fork" else 0
if forked == 0 and sys.argv[2] == "fork":
    signal.pause()
print(parent.process_id, child.process_id, forked, flush=True)
signal.pause()
"""


@pytest.fixture
def parent() -> Iterator[MotoParent]:
    parent = MotoParent()
    yield parent
    parent.close()


def ends_within(pidfd: int, timeout_s: float) -> bool:
    return bool(select.select([pidfd], [], [], timeout_s)[0])


def test_two_awss_share_nothing_not_even_buckets(factory: AwsFactory) -> None:
    one, other = factory.new(), factory.new()

    one.client("s3").create_bucket(Bucket="same-name")
    other.client("s3").create_bucket(Bucket="same-name")
    one.client("s3").put_object(Bucket="same-name", Key="key", Body=b"one's")

    assert other.client("s3").list_objects_v2(Bucket="same-name")["KeyCount"] == 0
    assert one.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert other.client("sts").get_caller_identity()["Account"] == "123456789012"
    one.close()
    other.close()


def test_two_awss_make_different_random_ids(factory: AwsFactory) -> None:
    one, other = factory.new(), factory.new()

    arns = {
        aws.client("secretsmanager").create_secret(Name="n", SecretString="v")["ARN"] for aws in (one, other)
    }

    assert len(arns) == 2
    one.close()
    other.close()


def test_a_new_aws_is_empty_in_every_service_that_was_warmed(aws: Aws) -> None:
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert aws.client("ssm").get_parameters(Names=["none"])["Parameters"] == []
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert aws.client("events").list_rules()["Rules"] == []
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
    assert aws.client("ecs").list_clusters()["clusterArns"] == []
    assert aws.client("ecr").describe_repositories()["repositories"] == []
    assert aws.client("iam").list_roles()["Roles"] == []
    assert aws.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert aws.client("sns").list_topics()["Topics"] == []
    assert aws.client("lambda").list_functions()["Functions"] == []


def test_two_hundred_requests_at_once_are_all_answered(aws: Aws) -> None:
    table = aws.client("s3")
    table.create_bucket(Bucket="bucket")

    with ThreadPoolExecutor(200) as pool:
        list(pool.map(lambda n: table.put_object(Bucket="bucket", Key=f"{n}", Body=b"x" * 1000), range(400)))

    assert table.list_objects_v2(Bucket="bucket")["KeyCount"] == 400


def test_a_bucket_is_found_by_a_dotted_host_name(aws: Aws) -> None:
    """The sandbox link's host names have dots, and moto would take their first label for a bucket."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.meta.events.register(
        "before-send.s3", lambda request, **_: request.headers.update(Host="aws.ecs.internal")
    )

    s3.put_object(Bucket="bucket", Key="key", Body=b"value")

    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"value"


@linux
def test_it_listens_on_loopback_only(aws: Aws) -> None:
    port = int(aws.endpoint_url.rpartition(":")[2])
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ]

    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}

    assert listening == {f"0100007F:{port:04X}"}


def test_stop_returns_when_the_child_is_gone(parent: MotoParent) -> None:
    child = parent.spawn()
    pidfd = os.pidfd_open(child.process_id)

    child.stop()

    assert ends_within(pidfd, 0)
    os.close(pidfd)
    child.stop()


def test_close_ends_parent_and_children_and_may_be_called_twice() -> None:
    parent = MotoParent()
    child = parent.spawn()
    pidfds = [os.pidfd_open(parent.process_id or 0), os.pidfd_open(child.process_id)]

    parent.close()

    assert all(ends_within(pidfd, 60) for pidfd in pidfds)
    for pidfd in pidfds:
        os.close(pidfd)
    parent.close()
    child.stop()
    with pytest.raises(EcsTaskError, match="after the end of the run"):
        parent.spawn()


def test_close_does_not_wait_for_a_start_that_nobody_needs() -> None:
    parent = MotoParent()
    parent.start()
    pidfd = os.pidfd_open(parent.process_id or 0)

    parent.close()

    assert ends_within(pidfd, 0)
    os.close(pidfd)


@linux
@pytest.mark.parametrize("forks", ["no", "fork"])
def test_nothing_outlives_a_pytest_process_that_is_killed(forks: str) -> None:
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(ROOT), forks], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    parent_id, child_id, forked_id = map(int, victim.stdout.readline().split())
    pidfds = [os.pidfd_open(parent_id), os.pidfd_open(child_id)]

    victim.kill()
    ended = [ends_within(pidfd, 60) for pidfd in pidfds]

    if forked_id:
        os.kill(forked_id, signal.SIGKILL)
    for pidfd in pidfds:
        os.close(pidfd)
    victim.wait()
    victim.stdout.close()
    assert ended == [True, True]


def test_it_goes_on_after_ctrl_c(parent: MotoParent) -> None:
    child = parent.spawn()
    assert parent.process_id is not None

    for process_id in (parent.process_id, child.process_id):
        os.kill(process_id, signal.SIGINT)

    assert parent.spawn().endpoint_url.startswith("http://127.0.0.1:")
    assert os.getpgid(parent.process_id) != os.getpgid(0)


def test_an_interrupted_request_does_not_mix_up_the_next_ones_answer(parent: MotoParent) -> None:
    first = parent.spawn()
    parent._send({"number": 999, "spawn": "123456789012"})  # as if Ctrl-C came before the answer was read

    second = parent.spawn()
    first.stop()

    assert len({first.process_id, second.process_id}) == 2
    with urllib.request.urlopen(f"{second.endpoint_url}/moto-api/data.json") as response:
        assert response.status == 200


def test_a_parent_that_something_killed_is_started_anew(parent: MotoParent) -> None:
    child = parent.spawn()
    assert parent.process_id is not None
    pidfds = [os.pidfd_open(parent.process_id), os.pidfd_open(child.process_id)]

    os.kill(parent.process_id, signal.SIGKILL)

    assert all(ends_within(pidfd, 60) for pidfd in pidfds)
    assert parent.spawn().endpoint_url != child.endpoint_url
    for pidfd in pidfds:
        os.close(pidfd)


def test_a_module_of_the_users_tests_does_not_hide_one_of_motos(
    parent: MotoParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("queue", "responses", "werkzeug", "moto_server"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert parent.spawn().endpoint_url.startswith("http://127.0.0.1:")


def test_the_users_moto_and_python_settings_do_not_matter(
    parent: MotoParent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("AWS_PROFILE", "none-such")

    assert parent.spawn().endpoint_url.startswith("http://127.0.0.1:")


def test_a_moto_that_fails_is_an_error_with_its_last_words(
    parent: MotoParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys; sys.exit('no module named moto, as it were')")
    monkeypatch.setattr(moto_server, "_PROGRAM", program)

    with pytest.raises(
        EcsTaskError, match=r"the moto process exited 1\n  no module named moto, as it were"
    ) as caught:
        parent.spawn()

    assert "--ecs-aws=URL" in str(caught.value)
