"""A document that has every field of RegisterTaskDefinition, each with a value that shows; ECS would not take it as a whole."""

from __future__ import annotations

from typing import Any

_CONTAINER: dict[str, Any] = {
    "name": "app",
    "image": "app:1",
    "repositoryCredentials": {"credentialsParameter": "arn:aws:secretsmanager:eu-west-1:1:secret:registry"},
    "cpu": 10,
    "memory": 128,
    "memoryReservation": 64,
    "links": ["db:database"],
    "portMappings": [
        {"containerPort": 80, "hostPort": 8080, "protocol": "udp", "name": "web", "appProtocol": "http"},
        {"containerPortRange": "8000-8010"},
    ],
    "essential": False,
    "restartPolicy": {"enabled": True, "ignoredExitCodes": [3], "restartAttemptPeriod": 60},
    "entryPoint": ["sh"],
    "command": ["-c", "true"],
    "environment": [{"name": "COLOUR", "value": "red"}],
    "environmentFiles": [{"value": "arn:aws:s3:::bucket/app.env", "type": "s3"}],
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": True}],
    "volumesFrom": [{"sourceContainer": "db", "readOnly": True}],
    "linuxParameters": {
        "capabilities": {"add": ["SYS_PTRACE"], "drop": ["CHOWN"]},
        "devices": [{"hostPath": "/dev/zero", "containerPath": "/dev/nought", "permissions": ["read"]}],
        "initProcessEnabled": True,
        "sharedMemorySize": 32,
        "tmpfs": [{"containerPath": "/scratch", "size": 8, "mountOptions": ["noexec"]}],
        "maxSwap": 16,
        "swappiness": 10,
    },
    "secrets": [{"name": "PASSWORD", "valueFrom": "/password"}],
    "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}],
    "startTimeout": 20,
    "stopTimeout": 10,
    "versionConsistency": "enabled",
    "hostname": "web",
    "user": "65534",
    "workingDirectory": "/srv",
    "disableNetworking": True,
    "privileged": True,
    "readonlyRootFilesystem": True,
    "dnsServers": ["10.0.0.2"],
    "dnsSearchDomains": ["example.org"],
    "extraHosts": [{"hostname": "legacy", "ipAddress": "10.0.0.3"}],
    "dockerSecurityOptions": ["no-new-privileges"],
    "interactive": True,
    "pseudoTerminal": True,
    "dockerLabels": {"team": "shop"},
    "ulimits": [{"name": "nofile", "softLimit": 100, "hardLimit": 200}],
    "logConfiguration": {
        "logDriver": "splunk",
        "options": {"splunk-url": "https://example.org"},
        "secretOptions": [{"name": "splunk-token", "valueFrom": "/token"}],
    },
    "healthCheck": {
        "command": ["CMD", "true"],
        "interval": 5,
        "timeout": 2,
        "retries": 1,
        "startPeriod": 10,
    },
    "systemControls": [{"namespace": "net.core.somaxconn", "value": "7"}],
    "resourceRequirements": [
        {
            "value": "1",
            "type": "GPU",
            "sharingStrategy": {"nvidiaMps": {"memory": 1, "maxComputePercent": 1}},
        }
    ],
    "firelensConfiguration": {"type": "fluentd", "options": {"enable-ecs-log-metadata": "false"}},
    "credentialSpecs": ["credentialspec:arn:aws:s3:::bucket/spec.json"],
}

_VOLUMES: list[dict[str, Any]] = [
    {"name": "data", "host": {"sourcePath": "/srv/data"}},
    {
        "name": "docker",
        "dockerVolumeConfiguration": {
            "scope": "shared",
            "autoprovision": True,
            "driver": "local",
            "driverOpts": {"type": "tmpfs"},
            "labels": {"team": "shop"},
        },
    },
    {
        "name": "efs",
        "efsVolumeConfiguration": {
            "fileSystemId": "fs-1",
            "rootDirectory": "/srv",
            "transitEncryption": "ENABLED",
            "transitEncryptionPort": 2999,
            "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
        },
    },
    {
        "name": "files",
        "s3filesVolumeConfiguration": {
            "fileSystemArn": "arn:aws:s3files:eu-west-1:1:file-system/fs-2",
            "rootDirectory": "/srv",
            "transitEncryptionPort": 2999,
            "accessPointArn": "arn:aws:s3files:eu-west-1:1:access-point/fsap-2",
        },
    },
    {
        "name": "windows",
        "fsxWindowsFileServerVolumeConfiguration": {
            "fileSystemId": "fs-3",
            "rootDirectory": "share",
            "authorizationConfig": {"credentialsParameter": "arn", "domain": "example.org"},
        },
    },
    {"name": "later", "configuredAtLaunch": True},
]

FULL: dict[str, Any] = {
    "family": "web",
    "taskRoleArn": "arn:aws:iam::123456789012:role/task",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "networkMode": "awsvpc",
    "containerDefinitions": [_CONTAINER],
    "volumes": _VOLUMES,
    "placementConstraints": [{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}],
    "requiresCompatibilities": ["EC2"],
    "cpu": "256",
    "memory": "512",
    "tags": [{"key": "team", "value": "shop"}],
    "pidMode": "task",
    "ipcMode": "task",
    "proxyConfiguration": {
        "type": "APPMESH",
        "containerName": "app",
        "properties": [{"name": "AppPorts", "value": "80"}],
    },
    "inferenceAccelerators": [{"deviceName": "device", "deviceType": "eia1.medium"}],
    "ephemeralStorage": {"sizeInGiB": 30},
    "runtimePlatform": {
        "cpuArchitecture": "ARM64",
        "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE",
    },
    "enableFaultInjection": True,
    "trustedExecutionConfiguration": {
        "isolationMode": "ISOLATED_SANDBOX",
        "attestationPolicy": "policy",
    },
}
