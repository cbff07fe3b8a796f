import pytest


@pytest.fixture
def bucket(ecs_aws):
    ecs_aws.resource("s3").create_bucket(
        Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )


@pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
@pytest.mark.ecs_secret("prod/report", {"password": "correct horse"})
@pytest.mark.ecs_parameter("/report/title", "Sales")
@pytest.mark.ecs_overrides("report", environment={"DAY": "2026-01-31"})
def test_the_report_is_written_to_s3(bucket, ecs_task, ecs_aws):
    assert ecs_task.exit_code("report") == 0, ecs_task.logs()

    report = ecs_aws.client("s3").get_object(Bucket="reports", Key="2026-01-31.txt")["Body"].read()
    assert report == b"Sales of 2026-01-31: 42 (password of 13 characters)\n"
    stream = f"job/report/{ecs_task.task_id}"
    events = ecs_aws.client("logs").get_log_events(logGroupName="/ecs/nightly-report", logStreamName=stream)[
        "events"
    ]
    assert [event["message"] for event in events] == ["wrote s3://reports/2026-01-31.txt"]
