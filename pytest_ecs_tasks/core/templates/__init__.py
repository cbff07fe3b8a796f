"""CloudFormation templates, also those that the CDK writes: the task definition that a deployment would make of one."""
