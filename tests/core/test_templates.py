"""CloudFormation templates: which task definition is taken, what its names and functions become, and where problems are."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import Severity, TaskDefinitionError

WEB = """
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Environment: {Type: String, Default: dev, AllowedValues: [dev, prod]}
  Tag: {Type: String}
  Port: {Type: Number, Default: 8080}
  Debug: {Type: String, Default: "false"}
Mappings:
  Sizes:
    dev: {Cpu: 256, Memory: "512"}
    prod: {Cpu: 1024, Memory: "2048"}
Conditions:
  IsProd: !Equals [!Ref Environment, prod]
  IsDebug: !And [!Not [!Condition IsProd], !Equals [!Ref Debug, "true"]]
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Sub /ecs/${Environment}/web
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {}}
  Web:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Join ["-", [web, !Ref Environment]]
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: !FindInMap [Sizes, !Ref Environment, Cpu]
      Memory: !FindInMap [Sizes, !Ref Environment, Memory]
      ExecutionRoleArn: !GetAtt Role.Arn
      TaskRoleArn: !If [IsProd, !GetAtt Role.Arn, !Ref "AWS::NoValue"]
      ContainerDefinitions:
        - Name: web
          Image: !Sub "registry.example.com/web:${Tag}"
          PortMappings:
            - ContainerPort: !Ref Port
          Environment:
            - {Name: ENVIRONMENT, Value: !Ref Environment}
            - !If [IsDebug, {Name: DEBUG, Value: true}, !Ref "AWS::NoValue"]
          LogConfiguration:
            LogDriver: awslogs
            Options:
              awslogs-group: !Ref Logs
              awslogs-region: !Ref AWS::Region
              awslogs-stream-prefix: web
"""


def read(text: str, resource: str | None = None, **substitute: str) -> TaskDefinition:
    return read_task_definition(text, "template.yaml", substitute=substitute, resource=resource)


def properties(text: str, **substitute: str) -> TaskDefinition:
    """Read a whole template of which only the properties are given."""
    return read(template(text), **substitute)


def template(text: str, sections: str = "") -> str:
    inside = textwrap.indent(textwrap.dedent(text).strip("\n"), "      ")
    resource = f"Resources:\n  Task:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n{inside}\n"
    return textwrap.dedent(sections) + resource


def one_container(fields: str, sections: str = "") -> str:
    inside = textwrap.indent(textwrap.dedent(fields).strip("\n"), "    ")
    return template(
        "ContainerDefinitions:\n  - Name: app\n    Image: busybox\n    Memory: 64\n" + inside, sections
    )


def problems(text: str, resource: str | None = None, **substitute: str) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        read(text, resource, **substitute)
    return [str(problem) for problem in caught.value.problems]


def document_of(definition: TaskDefinition) -> Mapping[str, Any]:
    return definition.document


# -- the whole


def test_a_template_becomes_what_its_stack_would_register() -> None:
    definition = read(WEB, Tag="1.4")

    assert document_of(definition) == {
        "family": "web-dev",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": "arn:aws:iam::123456789012:role/Role",
        "containerDefinitions": [
            {
                "name": "web",
                "image": "registry.example.com/web:1.4",
                "portMappings": [{"containerPort": 8080}],
                "environment": [{"name": "ENVIRONMENT", "value": "dev"}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "/ecs/dev/web",
                        "awslogs-region": "us-east-1",
                        "awslogs-stream-prefix": "web",
                    },
                },
            }
        ],
    }


def test_parameters_decide_conditions_and_maps() -> None:
    production = read(WEB, Tag="1.4", Environment="prod", Debug="true")
    debug = read(WEB, Tag="1.4", Debug="true")

    assert (production.family, production.cpu, production.memory_mib) == ("web-prod", 1024, 2048)
    assert production.task_role_arn == "arn:aws:iam::123456789012:role/Role"
    assert production.containers[0].environment == {"ENVIRONMENT": "prod"}
    assert debug.containers[0].environment == {"ENVIRONMENT": "dev", "DEBUG": "true"}


def test_the_region_and_the_account_of_the_test_are_the_templates() -> None:
    text = one_container(
        "Environment: [{Name: HERE, Value: !Sub '${AWS::Partition} ${AWS::Region} ${AWS::AccountId} ${AWS::URLSuffix}'}]"
    )

    given = {"AWS::Region": "cn-north-1", "AWS::AccountId": "111122223333"}

    assert read(text).containers[0].environment == {"HERE": "aws us-east-1 123456789012 amazonaws.com"}
    assert read(text, **given).containers[0].environment == {
        "HERE": "aws-cn cn-north-1 111122223333 amazonaws.com.cn"
    }


def test_a_parameter_that_is_not_given_leaves_a_slot_for_the_image() -> None:
    assert read(WEB).containers[0].image == "registry.example.com/web:${Tag}"
    assert read(WEB, **{"${Tag}": "2"}).containers[0].image == "registry.example.com/web:2"


def test_a_template_without_a_family_is_named_as_its_resource() -> None:
    assert properties("ContainerDefinitions: [{Name: a, Image: busybox, Memory: 8}]").family == "Task"


def test_numbers_texts_and_flags_stand_for_each_other() -> None:
    definition = properties("""
        Cpu: 256
        ContainerDefinitions:
          - Name: app
            Image: busybox
            Memory: "64"
            Essential: "true"
            Environment: [{Name: RATE, Value: 1.5}, {Name: FLAG, Value: true}]
            Ulimits: [{Name: nofile, SoftLimit: "1", HardLimit: 2}]
    """)

    (app,) = definition.containers
    assert (definition.cpu, app.memory_mib, app.essential) == (256, 64, True)
    assert app.environment == {"RATE": "1.5", "FLAG": "true"}
    assert (app.ulimits[0].soft_limit, app.ulimits[0].hard_limit) == (1, 2)
    assert definition.repairs == ()


def test_values_without_quotes_are_those_of_yaml_1_1_and_are_told() -> None:
    definition = read(
        one_container(
            "Essential: yes\nEnvironment:\n  - {Name: A, Value: off}\n  - {Name: B, Value: 'off'}\n"
            "  - {Name: C, Value: 010}\n  - {Name: D, Value: 089}"
        )
    )

    assert definition.containers[0].environment == {"A": "false", "B": "off", "C": "8", "D": "089"}
    told = [each for each in definition.advice if each.code == "yaml-scalar"]
    assert [(each.line, each.code, each.severity) for each in told] == [
        (9, "yaml-scalar", Severity.WARNING),
        (11, "yaml-scalar", Severity.WARNING),
        (13, "yaml-scalar", Severity.WARNING),
        (14, "yaml-scalar", Severity.WARNING),
    ]


def test_numbers_that_are_read_otherwise_than_written_are_told() -> None:
    text = one_container(
        "Environment:\n  - {Name: A, Value: 1.10}\n  - {Name: B, Value: 1.5}\n  - {Name: C, Value: '1.10'}"
    )

    found = [each for each in read(text).advice if each.code == "yaml-scalar"]

    assert [(each.path, each.message) for each in found] == [
        (
            "containerDefinitions[0].environment[0].value",
            "1.10 without quotes is the number 1.1; put it in quotes where a text is meant",
        )
    ]


def test_numbers_that_begin_with_0_keep_it_in_parameters_and_maps() -> None:
    text = one_container(
        "Command: [!FindInMap [Accounts, dev, id], !Ref Account, !Sub 'x-${Account}']",
        "Mappings: {Accounts: {dev: {id: 012345678901}}}\nParameters: {Account: {Type: String, Default: 0123}}\n",
    )

    assert read(text).containers[0].command == ("012345678901", "0123", "x-0123")


def test_irregular_names_become_the_apis() -> None:
    definition = properties("""
        TaskRoleArn: role
        ContainerDefinitions:
          - Name: app
            Image: busybox
            Memory: 64
            DockerLabels: {Some.Label: x}
            LogConfiguration: {LogDriver: splunk, Options: {Splunk-Url: x}}
            MountPoints: [{SourceVolume: files, ContainerPath: /files}]
        Volumes:
          - Name: files
            EFSVolumeConfiguration:
              FilesystemId: fs-12345678
              TransitEncryption: ENABLED
              AuthorizationConfig: {IAM: ENABLED, AccessPointId: fsap-1}
    """)

    document: Any = document_of(definition)
    assert document["volumes"][0]["efsVolumeConfiguration"] == {
        "fileSystemId": "fs-12345678",
        "transitEncryption": "ENABLED",
        "authorizationConfig": {"iam": "ENABLED", "accessPointId": "fsap-1"},
    }
    assert document["containerDefinitions"][0]["dockerLabels"] == {"Some.Label": "x"}
    assert document["containerDefinitions"][0]["logConfiguration"]["options"] == {"Splunk-Url": "x"}


def test_a_template_of_the_cdk_is_read() -> None:
    repository = {"Fn::GetAtt": ["Repo02AC86CF", "Arn"]}

    def part(index: int) -> dict[str, object]:
        return {"Fn::Select": [index, {"Fn::Split": [":", repository]}]}

    image = {
        "Fn::Join": [
            "",
            [
                part(4),
                ".dkr.ecr.",
                part(3),
                ".",
                {"Ref": "AWS::URLSuffix"},
                "/",
                {"Ref": "Repo02AC86CF"},
                ":latest",
            ],
        ]
    }
    resources = {
        "Repo02AC86CF": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "shop/web"}},
        "DbSecretA1B2C3D4": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "shop/db"}},
        "TaskDefTaskRole1EDB4A67": {"Type": "AWS::IAM::Role", "Properties": {}},
        "TaskDefwebLogGroupB0C0A1B2": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}},
        "TaskDef54694570": {
            "Type": "AWS::ECS::TaskDefinition",
            "Metadata": {"aws:cdk:path": "Shop/TaskDef/Resource"},
            "Properties": {
                "ContainerDefinitions": [
                    {
                        "Essential": True,
                        "Image": image,
                        "LogConfiguration": {
                            "LogDriver": "awslogs",
                            "Options": {
                                "awslogs-group": {"Ref": "TaskDefwebLogGroupB0C0A1B2"},
                                "awslogs-stream-prefix": "web",
                                "awslogs-region": {"Ref": "AWS::Region"},
                            },
                        },
                        "Name": "web",
                        "Secrets": [
                            {
                                "Name": "PASSWORD",
                                "ValueFrom": {"Fn::Join": ["", [{"Ref": "DbSecretA1B2C3D4"}, ":password::"]]},
                            }
                        ],
                    }
                ],
                "Cpu": "256",
                "ExecutionRoleArn": {"Fn::GetAtt": ["TaskDefTaskRole1EDB4A67", "Arn"]},
                "Family": "ShopTaskDef7CB1A2D5",
                "Memory": "512",
                "NetworkMode": "awsvpc",
                "RequiresCompatibilities": ["FARGATE"],
                "TaskRoleArn": {"Fn::GetAtt": ["TaskDefTaskRole1EDB4A67", "Arn"]},
            },
        },
    }
    definition = read_task_definition(
        json.dumps({"Resources": resources}), "Shop.template.json", resource="TaskDef"
    )

    (web,) = definition.containers
    assert web.image == "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/web:latest"
    assert definition.task_role_arn == "arn:aws:iam::123456789012:role/TaskDefTaskRole1EDB4A67"
    assert web.log_configuration is not None
    assert web.log_configuration.options["awslogs-group"] == "TaskDefwebLogGroupB0C0A1B2"
    assert web.secrets[0].value_from.startswith(
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/db-"
    )
    assert web.secrets[0].value_from.endswith(":password::")


# -- which task definition

TWO = """
Conditions: {Never: !Equals [a, b]}
Resources:
  WorkerTaskDef0A1B2C3D:
    Type: AWS::ECS::TaskDefinition
    Properties: {ContainerDefinitions: [{Name: worker, Image: busybox, Memory: 8}]}
  WorkerTaskDefOther0A1B2C3D:
    Type: AWS::ECS::TaskDefinition
    Properties: {ContainerDefinitions: [{Name: other, Image: busybox, Memory: 8}]}
  Old:
    Type: AWS::ECS::TaskDefinition
    Condition: Never
    Properties: {ContainerDefinitions: [{Name: old, Image: busybox, Memory: 8}]}
"""


def test_one_of_several_is_chosen_by_its_logical_id_or_the_beginning_of_one() -> None:
    def chosen(resource: str) -> str:
        return read(TWO, resource).containers[0].name

    assert chosen("WorkerTaskDefOther0A1B2C3D") == "other"
    assert chosen("WorkerTaskDefO") == "other"
    assert chosen("WorkerTaskDef") == "worker"  # what is behind it is the CDK's hash


def test_several_without_a_choice_are_listed() -> None:
    assert problems(TWO) == [
        "it has 2 of AWS::ECS::TaskDefinition: choose one with ecs_taskdef(…, resource='WorkerTaskDef0A1B2C3D'). "
        "They are WorkerTaskDef0A1B2C3D, WorkerTaskDefOther0A1B2C3D"
    ]
    assert "There is WorkerTaskDef0A1B2C3D, WorkerTaskDefOther0A1B2C3D, Old" in problems(TWO, "Work")[0]


def test_one_that_would_not_be_deployed_is_taken_with_a_word() -> None:
    definition = read(TWO, "Old")

    assert definition.containers[0].name == "old"
    assert "not-deployed" in [each.code for each in definition.advice]


def test_a_template_without_a_task_definition_says_so() -> None:
    text = "AWSTemplateFormatVersion: '2010-09-09'\nResources: {Topic: {Type: AWS::SNS::Topic}}\n"

    assert problems(text) == ["there is no AWS::ECS::TaskDefinition in it"]


@pytest.mark.parametrize(
    "document",
    [
        {"ContainerDefinitions": [{"Name": "app", "Image": {"Ref": "Image"}, "Memory": 8}]},
        {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {"ContainerDefinitions": [{"Name": "app", "Image": {"Ref": "Image"}, "Memory": 8}]},
        },
        {
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "ContainerDefinitions": [{"Name": "app", "Image": {"Ref": "Image"}, "Memory": 8}]
                },
            }
        },
    ],
    ids=["properties", "resource", "resources"],
)
def test_a_part_of_a_template_is_read_as_far_as_it_goes(document: dict[str, Any]) -> None:
    assert parse_task_definition(document).containers[0].image == "${Image}"
    assert parse_task_definition(document, substitute={"Image": "nginx"}).containers[0].image == "nginx"


# -- functions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("!Sub 'a ${!Literal} ${X}'", "a ${Literal} x"),
        ("!Sub ['${Own}-${X}', {Own: !Ref X}]", "x-x"),
        ("!Join [',', !Split ['-', a-b-c]]", "a,b,c"),
        ("!Join ['/', !Ref List]", "one/two"),
        ("!Select [1, !Ref List]", "two"),
        ("!Select ['0', [a, b]]", "a"),
        ("!Base64 hello", "aGVsbG8="),
        ("!Select [1, !Cidr [10.0.0.0/16, 2, 8]]", "10.0.1.0/24"),
        ("Fn::ToJsonString: {a: !Ref X, b: [1, true]}", '{"a":"x","b":[1,true]}'),
        ("Fn::Length: !Ref List", "2"),
        ("!FindInMap [Map, !Ref X, name]", "found"),
        ("Fn::FindInMap: [Map, nothing, name, {DefaultValue: default}]", "default"),
        ("!If [Yes, yes please, no]", "yes please"),
        ("!If [No, a, !If [Either, b, c]]", "b"),
        ("!GetAtt Queue.Arn", "arn:aws:sqs:us-east-1:123456789012:jobs"),
        ("!Ref Queue", "https://sqs.us-east-1.amazonaws.com/123456789012/jobs"),
        ("!Sub '${Table} ${Table.Arn}'", "orders arn:aws:dynamodb:us-east-1:123456789012:table/orders"),
        ("!GetAtt Setting.Value", "x-value"),
        ("!Ref AWS::StackName", "stack"),
        ("Fn::GetAtt: [Queue, QueueName]", "jobs"),
    ],
)
def test_a_function_gives_what_cloudformation_gives(expression: str, expected: str) -> None:
    sections = """
        Parameters:
          X: {Type: String, Default: x}
          List: {Type: CommaDelimitedList, Default: "one, two"}
        Mappings: {Map: {x: {name: found}}}
        Conditions:
          Yes: !Equals [!Ref X, x]
          No: !Not [!Condition Yes]
          Either: !Or [!Condition No, !Equals ["1", 1]]
    """
    resources = (
        "  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}\n"
        "  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: orders}}\n"
        "  Setting: {Type: AWS::SSM::Parameter, Properties: {Value: !Sub '${X}-value'}}\n"
    )
    text = one_container(f"Command:\n  - {expression}", sections) + resources

    (container,) = read(text).containers
    assert container.command == (expected,)


def test_no_value_takes_properties_and_entries_away() -> None:
    text = one_container("""
        Privileged: !Ref AWS::NoValue
        Command: [a, !Ref "AWS::NoValue", b]
        Secrets: !If [Never, [{Name: A, ValueFrom: a}], !Ref "AWS::NoValue"]
    """)

    (container,) = read("Conditions: {Never: !Equals [a, b]}\n" + text).containers

    assert container.command == ("a", "b")
    assert container.secrets == ()


def test_exports_attributes_and_dynamic_references_are_given_by_the_test() -> None:
    text = one_container(
        """
        Environment:
          - {Name: DB, Value: !ImportValue network-db}
          - {Name: LB, Value: !GetAtt Balancer.DNSName}
          - {Name: KEY, Value: "{{resolve:ssm:/app/key:1}}"}
        """
    )
    text += "  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer}\n"
    given = {"network-db": "db", "Balancer.DNSName": "lb", "{{resolve:ssm:/app/key:1}}": "key"}

    assert read(text, **given).containers[0].environment == {"DB": "db", "LB": "lb", "KEY": "key"}


def test_a_value_of_the_test_fills_names_of_the_template_and_no_text_that_looks_alike() -> None:
    sections = "Parameters: {HOME: {Type: String}}\n"
    text = one_container("Command: [!Ref HOME, \"echo $HOME '<HOME>' ${HOME}\"]", sections)

    (container,) = read(text, HOME="/srv").containers

    assert container.command == ("/srv", "echo $HOME '<HOME>' ${HOME}")


def test_placeholders_of_another_tool_are_still_filled() -> None:
    (container,) = read(one_container("Command: ['<COMMAND>']"), COMMAND="run").containers

    assert container.command == ("run",)


# -- what is not known


def test_everything_that_matters_and_is_not_known_is_told_at_once_with_what_fills_it() -> None:
    text = one_container(
        """
        Command: [!Ref Mode]
        Environment:
          - {Name: DB, Value: !ImportValue network-db}
          - Name: LB
            Value: !Sub "http://${Balancer.DNSName}/${Mode}"
          - {Name: QUEUE, Value: !Ref Queue}
          - {Name: AMI, Value: !Ref Ami}
          - {Name: KEY, Value: "{{resolve:ssm:/app/key:1}}"}
        Secrets: [{Name: S, ValueFrom: !Ref Mode}]
        """,
        """
        Parameters:
          Mode: {Type: String}
          Ami: {Type: "AWS::SSM::Parameter::Value<String>", Default: /aws/ami}
        """,
    )
    text += (
        "  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer}\n  Queue: {Type: AWS::SQS::Queue}\n"
    )

    assert problems(text) == [
        "line 13  containerDefinitions[0].command[0]: has no value here: the parameter Mode has no default",
        "line 15  containerDefinitions[0].environment[0].value: has no value here: 'network-db' is exported by another stack",
        "line 17  containerDefinitions[0].environment[1].value: has no value here: Balancer.DNSName of the "
        "AWS::ElasticLoadBalancingV2::LoadBalancer is known only when the stack is deployed; "
        "the parameter Mode has no default",
        "line 18  containerDefinitions[0].environment[2].value: has no value here: CloudFormation makes up the name of Queue",
        "line 19  containerDefinitions[0].environment[3].value: has no value here: the parameter Ami is the name of one in "
        "Parameter Store, /aws/ami, whose value is taken",
        "line 20  containerDefinitions[0].environment[4].value: has no value here: it is looked up when the stack is deployed",
        "line 21  containerDefinitions[0].secrets[0].valueFrom: has no value here: the parameter Mode has no default",
        "fill with ecs_taskdef(…, substitute={'Mode': '…', 'network-db': '…', 'Balancer.DNSName': '…', 'Queue': '…', "
        "'Ami': '…', '{{resolve:ssm:/app/key:1}}': '…'})",
    ]


def test_a_part_behind_something_unknown_is_not_known_either() -> None:
    def split(index: int) -> str:
        expression = f"!Select [{index}, !Split ['/', !Sub 'a/${{Path}}/b']]"
        return one_container(f"Command:\n  - {expression}", "Parameters: {Path: {Type: String}}\n")

    assert read(split(0)).containers[0].command == ("a",)
    for index in (1, 2, 3):
        assert "the parameter Path has no default" in problems(split(index))[0]
    assert read(split(3), Path="x/y").containers[0].command == ("b",)


def test_a_condition_that_is_not_known_is_told_where_it_decides() -> None:
    text = one_container(
        "Environment: !If [IsProd, [{Name: A, Value: b}], []]",
        "Parameters: {Stage: {Type: String}}\nConditions: {IsProd: !Equals [!Ref Stage, prod]}\n",
    )

    assert problems(text)[0] == (
        "line 11  containerDefinitions[0].environment: has no value here: the parameter Stage has no default"
    )
    assert read(text, Stage="prod").containers[0].environment == {"A": "b"}


def test_what_no_container_can_tell_has_a_stand_in_that_is_always_the_same() -> None:
    text = """
Parameters: {GroupName: {Type: String}, Owner: {Type: String}}
Resources:
  Files: {Type: AWS::EFS::FileSystem}
  Secret: {Type: AWS::SecretsManager::Secret}
  Setting: {Type: AWS::SSM::Parameter, Properties: {Name: /app/setting, Value: x}}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Ref Owner
      TaskRoleArn: !ImportValue "roles:task"
      ExecutionRoleArn: !Ref Owner
      Tags: [{Key: owner, Value: !Ref Owner}]
      Volumes: [{Name: files, EFSVolumeConfiguration: {FilesystemId: !Ref Files}}]
      ContainerDefinitions:
        - Name: app
          Image: busybox
          Memory: 64
          Secrets:
            - {Name: A, ValueFrom: !Ref Secret}
            - {Name: B, ValueFrom: !Ref Setting}
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: !Ref GroupName, awslogs-region: !Ref Owner}
"""
    definition = read(text)
    (app,) = definition.containers

    assert definition == read(text)
    assert definition.family == "Owner"
    assert definition.task_role_arn == "arn:aws:iam::123456789012:role/roles-task"
    assert definition.execution_role_arn == "arn:aws:iam::123456789012:role/Owner"
    assert app.log_configuration is not None
    assert app.log_configuration.options == {"awslogs-group": "GroupName", "awslogs-region": "us-east-1"}
    assert app.secrets[0].value_from.startswith(
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:Secret-"
    )
    assert app.secrets[1].value_from == "/app/setting"
    (volume,) = definition.volumes
    assert volume.file_system is not None
    assert volume.file_system.file_system_id.startswith("fs-")


# -- what is wrong


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("!Ref Tassk", "'Tassk' is neither a parameter nor a resource of this template; did you mean Task?"),
        ("!Sub '${a b}'", "Fn::Sub cannot fill ${a b}: write ${!a b} to keep it as it is"),
        ("!Select [2, [a]]", "Fn::Select wants entry 2 of a list of 1; the first is 0"),
        ("!FindInMap [Map, a, b]", "the template's Mappings have no Map > a > b"),
        ("!If [Unknown, a, b]", "the template has no condition 'Unknown'"),
        ("!If [Round, a, b]", "the condition Round depends on itself"),
        ("!Join [',']", "Fn::Join wants a list of a delimiter and a list of texts"),
        (
            "!Transform {Name: AWS::Include}",
            "Fn::Transform is a macro, which only CloudFormation runs: give what `aws cloudformation get-template "
            "--template-stage Processed` prints",
        ),
        (
            "!Nothing x",
            "Fn::Nothing is not known here: give what `aws cloudformation get-template --template-stage Processed` prints",
        ),
        ("!Ref One", "One is made of itself"),
        ("!Ref [a]", "Ref wants the name of a parameter or of a resource"),
    ],
)
def test_a_function_that_cannot_be_computed_is_told_with_its_place(expression: str, expected: str) -> None:
    resources = (
        "  One: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref Two}}\n"
        "  Two: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref One}}\n"
    )
    sections = "Conditions: {Round: !Not [!Condition Trip], Trip: !Condition Round}\n"
    text = one_container(f"Command:\n  - {expression}", sections) + resources

    with pytest.raises(TaskDefinitionError) as caught:
        read(text)

    (problem,) = caught.value.problems
    assert (problem.line, problem.path, problem.message, problem.code) == (
        11,
        "containerDefinitions[0].command[0]",
        expected,
        "template-function",
    )


MACRO = " is a macro, which only CloudFormation runs: give what"


def test_a_macro_beside_properties_is_told_with_its_place() -> None:
    text = one_container(
        "Fn::Transform: {Name: AWS::Include}\nDockerLabels:\n  Fn::ForEach::Label: [a]\n  b: c"
    )

    assert [each.partition(MACRO)[0] for each in problems(text)] == [
        "line 9  containerDefinitions[0].Fn::Transform: Fn::Transform",
        "line 11  containerDefinitions[0].dockerLabels.Fn::ForEach::Label: Fn::ForEach::Label",
    ]


def test_properties_that_a_macro_makes_are_not_missing() -> None:
    (problem,) = problems(template("Fn::Transform: {Name: AWS::Include}"))

    assert problem.startswith(f"line 4  Properties: Fn::Transform{MACRO}")


LOOP = """\
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Tasks:
    - Name
    - [web, api]
    - ${Name}Task:
        Type: AWS::ECS::TaskDefinition
"""


@pytest.mark.parametrize("resource", [None, "webTask"])
def test_a_task_definition_that_a_loop_makes_is_not_said_to_be_missing(resource: str | None) -> None:
    (problem,) = problems(LOOP, resource)

    assert problem.startswith(f"line 3  Resources: Fn::ForEach::Tasks{MACRO}")


def test_a_task_definition_beside_a_loop_is_read() -> None:
    text = (
        one_container("Essential: true", "Transform: [AWS::LanguageExtensions]\n")
        + "  Fn::ForEach::Tasks: []\n"
    )

    assert not [each for each in read(text).advice if each.code == "template-macro"]


def test_a_macro_of_the_whole_template_is_told() -> None:
    text = one_container(
        "Essential: true", "Transform: [AWS::LanguageExtensions, Mine, {Name: AWS::Include}]\n"
    )

    found = [each for each in read(text).advice if each.code == "template-macro"]

    assert [(each.line, each.message.partition(",")[0]) for each in found] == [
        (1, "CloudFormation runs Mine"),
        (1, "CloudFormation runs AWS::Include"),
    ]


def test_problems_of_what_was_resolved_are_where_the_template_has_it() -> None:
    text = one_container(
        """
        PortMappings:
          Fn::If:
            - Never
            - []
            - - ContainerPort: none
              - ContainerPort: many
        Secrts: []
        """,
        "Conditions: {Never: !Equals [a, b]}\n",
    )
    with pytest.raises(TaskDefinitionError) as caught:
        read(text)

    assert [(each.line, each.column, each.path) for each in caught.value.problems] == [
        (14, 19, "containerDefinitions[0].portMappings[0].containerPort"),
        (15, 19, "containerDefinitions[0].portMappings[1].containerPort"),
        (16, 11, "containerDefinitions[0].Secrts"),
    ]
    assert "did you mean Secrets?" in caught.value.problems[2].message


def test_places_inside_of_short_functions_are_their_own() -> None:
    text = one_container(
        """
        Ulimits: !If
          - Never
          - []
          - - {Name: nofile, SoftLimit: 1,
               HardLimit: x}
        """,
        "Conditions: {Never: !Equals [a, b]}\n",
    )

    assert problems(text) == [
        "line 14  containerDefinitions[0].ulimits[0].hardLimit: a whole number is wanted here, not 'x'"
    ]


def test_the_apis_spelling_of_a_property_is_refused_with_cloudformations() -> None:
    text = template("""
        ContainerDefinitions:
          - {name: app, Image: busybox, Memory: 8}
    """)

    assert problems(text) == [
        "line 6  containerDefinitions[0].name: 'name' is not a property of AWS::ECS::TaskDefinition here; did you mean Name?"
    ]


def test_a_value_that_a_parameter_does_not_allow_is_refused() -> None:
    assert problems(WEB, Tag="1", Environment="test")[0].endswith(
        "the parameter Environment takes only dev, prod, not 'test'"
    )


def test_a_property_that_is_there_twice_is_a_problem() -> None:
    text = one_container("Command: [a]\nCommand: [b]")

    assert problems(text) == [
        "line 10  containerDefinitions[0].command: the key 'Command' is there twice; readers of templates keep only one of the values"
    ]


# -- hostile


def test_functions_that_grow_without_end_are_refused_soon() -> None:
    text: object = "x"
    for _ in range(60):
        text = {"Fn::Sub": ["${a}${a}", {"a": text}]}
    document = {"ContainerDefinitions": [{"Name": "a", "Image": "busybox", "Memory": 8, "Command": [text]}]}

    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(
            {"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": document}}}
        )

    assert caught.value.problems[0].code in ("template-function", "too-large")


def test_conditions_and_references_that_branch_without_end_are_refused_soon() -> None:
    groups = {
        f"G{number}": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {
                    "Fn::If": [
                        "C",
                        {
                            "Fn::Join": [
                                "",
                                [{"Ref": f"G{number + 1}"}, {"Fn::GetAtt": [f"G{number + 1}", "Arn"]}],
                            ]
                        },
                        "",
                    ]
                }
            },
        }
        for number in range(60)
    }
    conditions = {f"C{n}": {"Fn::And": [{"Condition": f"C{n + 1}"}] * 2} for n in range(60)}
    conditions["C60"] = {"Fn::Equals": ["a", "a"]}
    task = {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "ContainerDefinitions": [
                {"Name": "a", "Image": "busybox", "Memory": 8, "Command": [{"Ref": "G0"}]}
            ]
        },
    }
    document = {"Conditions": {**conditions, "C": {"Condition": "C0"}}, "Resources": {**groups, "T": task}}

    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document)

    assert caught.value.problems[0].code in ("template-function", "too-large")


def test_functions_nested_without_end_are_refused() -> None:
    value: object = "x"
    for _ in range(5000):
        value = {"Fn::Join": ["", [value]]}

    with pytest.raises(TaskDefinitionError, match="nested too deeply"):
        parse_task_definition({"ContainerDefinitions": [{"Name": value}]})


@pytest.mark.parametrize(
    "document",
    [
        {"Resources": {}},
        {"Resources": {"T": None}},
        {"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": None}}},
        {"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Ref": "x"}}}},
        {
            "Resources": {
                "T": {"Type": "AWS::ECS::TaskDefinition", "Condition": 7, "Properties": {"Volumes": 3}}
            }
        },
        {"AWSTemplateFormatVersion": 1, "Resources": []},
        {
            "Resources": {"T": {"Type": "AWS::ECS::TaskDefinition"}},
            "Parameters": [],
            "Conditions": 1,
            "Mappings": 2,
        },
        {"ContainerDefinitions": {"Fn::If": "x"}},
        {"ContainerDefinitions": [{"Fn::Split": ["", ""]}, {"Fn::GetAtt": []}, {"Fn::Cidr": ["x", "y"]}]},
        {"ContainerDefinitions": [{"Name": "\ufdd07\ufdd1", "Image": "\ufdd0", 3: 4, None: 5}]},
    ],
)
def test_what_is_hardly_a_template_is_refused_in_our_words(document: dict[Any, Any]) -> None:
    with pytest.raises(TaskDefinitionError):
        parse_task_definition(document)
