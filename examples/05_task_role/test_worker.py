import pytest


@pytest.fixture
def workers(ecs_aws):
    return ecs_aws.resource("dynamodb").create_table(
        TableName="workers",
        KeySchema=[{"AttributeName": "task", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "task", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
def test_a_worker_checks_in_with_its_role(workers, ecs_task):
    assert ecs_task.exit_code("worker") == 0, ecs_task.logs()

    [item] = workers.scan()["Items"]
    assert item["task"] == ecs_task.arn
    assert item["identity"] == f"arn:aws:sts::123456789012:assumed-role/worker/{ecs_task.task_id}"
    assert item["zone"] == "eu-west-1a"
