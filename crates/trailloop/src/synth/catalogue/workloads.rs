//! Management events of workloads, and of services on their behalf.

use crate::synth::act::{Doing, Place, Who, change, in_order, read, some};

const ALL: Place = Place::Anywhere;

const KEY: &str = r#"[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<@key>"}]"#;
const ROLE: &str = r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<app>-data-access"}]"#;
/// What STS gives: the ids that CloudTrail writes, and a token that nothing takes.
const CREDENTIALS: &str = r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"},"assumedRoleUser":{"assumedRoleId":"AROA<num:10>EXAMPLE:<app>-<new>","arn":"arn:aws:sts::<account>:assumed-role/<app>-data-access/<app>-<new>"}}"#;
const FILTERED: &str = r#"{"filterSet":{"items":[{"name":"tag:service","valueSet":{"items":[{"value":"<app>"}]}}]},"instancesSet":{},"maxResults":100}"#;

/// What workloads do. Shares: our assumption, with KMS and STS leading: AWS says that KMS events come in very high
/// volumes (the cost-management blog on KMS event filtering, 2020).
pub(super) const WORKLOADS: &[Doing] = &[
    in_order(26_000.0, Who::Workload, ALL, &[read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"service":"<app>","environment":"<env>"},"keyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#,
    )
    .on(KEY)]),
    in_order(7_000.0, Who::Workload, ALL, &[read(
        "kms",
        "GenerateDataKey",
        r#"{"keySpec":"AES_256","encryptionContext":{"service":"<app>","environment":"<env>"},"keyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#,
    )
    .on(KEY)]),
    in_order(13_000.0, Who::Workload, ALL, &[read(
        "sts",
        "AssumeRole",
        r#"{"roleArn":"arn:aws:iam::<account>:role/<app>-data-access","roleSessionName":"<app>-<new>","durationSeconds":3600}"#,
    )
    .answers(CREDENTIALS)
    .on(ROLE)]),
    // Into an account of another team, which shares data with this one.
    in_order(5_000.0, Who::Workload, ALL, &[read(
        "sts",
        "AssumeRole",
        r#"{"roleArn":"arn:aws:iam::<friend>:role/<team>-shared-read","roleSessionName":"<app>-<new>","durationSeconds":3600}"#,
    )
    .answers(r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"},"assumedRoleUser":{"assumedRoleId":"AROA<num:10>EXAMPLE:<app>-<new>","arn":"arn:aws:sts::<friend>:assumed-role/<team>-shared-read/<app>-<new>"}}"#)
    .on(r#"[{"accountId":"<friend>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<friend>:role/<team>-shared-read"}]"#)]),
    in_order(17_000.0, Who::PodToken, ALL, &[read(
        "sts",
        "AssumeRoleWithWebIdentity",
        r#"{"roleArn":"arn:aws:iam::<account>:role/<app>-pod","roleSessionName":"<session>","durationSeconds":3600}"#,
    )
    .answers(r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"},"subjectFromWebIdentityToken":"system:serviceaccount:<team>:<app>-worker","assumedRoleUser":{"assumedRoleId":"AROA<num:10>EXAMPLE:<session>","arn":"arn:aws:sts::<account>:assumed-role/<app>-pod/<session>"},"provider":"arn:aws:iam::<account>:oidc-provider/oidc.eks.<region>.amazonaws.com","audience":"sts.amazonaws.com"}"#)
    .on(r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<app>-pod"}]"#)]),
    in_order(17_000.0, Who::Function, ALL, &[change(
        "logs",
        "CreateLogStream",
        r#"{"logGroupName":"/aws/lambda/<app>-handler","logStreamName":"<day>/[$LATEST]<hex:32>"}"#,
        "null",
    )]),
    in_order(5_000.0, Who::Task, ALL, &[change(
        "logs",
        "CreateLogStream",
        r#"{"logGroupName":"/ecs/<app>-<env>","logStreamName":"ecs/<app>/<hex:32>"}"#,
        "null",
    )]),
    in_order(12_000.0, Who::Workload, ALL, &[read(
        "secretsmanager",
        "GetSecretValue",
        r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-<pick:a1B2c3|x9Y8z7>"}"#,
    )]),
    in_order(7_000.0, Who::Workload, ALL, &[read(
        "ssm",
        "GetParameter",
        r#"{"name":"/<env>/<app>/<pick:database-url|api-key|feature-flags|log-level>","withDecryption":true}"#,
    )
    .on(r#"[{"accountId":"<account>","ARN":"arn:aws:ssm:<region>:<account>:parameter/<env>/<app>"}]"#)]),
    in_order(3_500.0, Who::Workload, ALL, &[read(
        "ssm",
        "GetParametersByPath",
        r#"{"path":"/<env>/<app>/","recursive":true,"withDecryption":true,"maxResults":10}"#,
    )]),
    in_order(3_000.0, Who::Workload, ALL, &[read(
        "ssm",
        "GetParameters",
        r#"{"names":["/<env>/<app>/database-url","/<env>/<app>/api-key"],"withDecryption":true}"#,
    )
    .on(r#"[{"accountId":"<account>","ARN":"arn:aws:ssm:<region>:<account>:parameter/<env>/<app>/database-url"},{"accountId":"<account>","ARN":"arn:aws:ssm:<region>:<account>:parameter/<env>/<app>/api-key"}]"#)]),
    in_order(14_000.0, Who::Instance, ALL, &[change(
        "ssm",
        "UpdateInstanceInformation",
        r#"{"instanceId":"<session>","agentVersion":"3.3.987.0","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","platformVersion":"2023","iPAddress":"10.0.<num:1>.<count:2>","computerName":"ip-10-0-<num:1>-<count:2>.<region>.compute.internal","agentName":"amazon-ssm-agent","availabilityZone":"<region>a","sSMConnectionChannel":"ssmmessages"}"#,
        "null",
    )]),
    in_order(4_000.0, Who::Instance, ALL, &[read(
        "ssm",
        "ListInstanceAssociations",
        r#"{"instanceId":"<session>","maxResults":20}"#,
    )]),
    some(6_000.0, Who::Instance, ALL, 2, &[
        read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{"items":[{"instanceId":"<session>"}]}}"#),
        read("ec2", "DescribeTags", r#"{"filterSet":{"items":[{"name":"resource-id","valueSet":{"items":[{"value":"<session>"}]}}]}}"#),
        read("ec2", "DescribeVolumes", r#"{"filterSet":{"items":[{"name":"attachment.instance-id","valueSet":{"items":[{"value":"<session>"}]}}]},"volumeSet":{}}"#),
    ]),
    in_order(700.0, Who::Instance, ALL, &[change(
        "ecs",
        "RegisterContainerInstance",
        r#"{"cluster":"<team>-<env>","totalResources":[{"name":"CPU","type":"INTEGER","integerValue":4096,"doubleValue":0,"longValue":0},{"name":"MEMORY","type":"INTEGER","integerValue":15724,"doubleValue":0,"longValue":0}],"versionInfo":{"agentVersion":"1.89.0","dockerVersion":"DockerVersion: 25.0.6"}}"#,
        r#"{"containerInstance":{"containerInstanceArn":"arn:aws:ecs:<region>:<account>:container-instance/<team>-<env>/<hex:32>","ec2InstanceId":"<session>","agentConnected":true,"status":"ACTIVE","runningTasksCount":0,"pendingTasksCount":0}}"#,
    )]),
    some(5_000.0, Who::Pod, ALL, 3, &[
        read("ec2", "DescribeInstances", FILTERED),
        read("ec2", "DescribeNetworkInterfaces", r#"{"filterSet":{"items":[{"name":"tag:cluster","valueSet":{"items":[{"value":"<team>-<env>"}]}}]},"networkInterfaceIdSet":{}}"#),
        read("ec2", "DescribeSubnets", r#"{"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"vpc-<=vpc>"}]}}]},"subnetSet":{}}"#),
        read("ec2", "DescribeSecurityGroups", r#"{"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"vpc-<=vpc>"}]}}]},"securityGroupIdSet":{},"securityGroupSet":{}}"#),
        read("elasticloadbalancing", "DescribeLoadBalancers", r#"{"loadBalancerArns":["arn:aws:elasticloadbalancing:<region>:<account>:loadbalancer/app/<app>-<env>/<hex:16>"]}"#),
        read("elasticloadbalancing", "DescribeTargetHealth", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>"}"#),
        read("autoscaling", "DescribeAutoScalingGroups", r#"{"autoScalingGroupNames":["<app>-<env>"],"maxRecords":100}"#),
    ]),
    some(6_400.0, Who::Workload, ALL, 1, &[
        read("sqs", "GetQueueUrl", r#"{"queueName":"<app>-jobs"}"#).answers("null"),
        read("sqs", "GetQueueAttributes", r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-jobs","attributeNames":["ApproximateNumberOfMessages"]}"#),
        read("dynamodb", "DescribeTable", r#"{"tableName":"<app>-<env>"}"#)
            .on(r#"[{"accountId":"<account>","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:<region>:<account>:table/<app>-<env>"}]"#),
        read("kinesis", "DescribeStreamSummary", r#"{"streamName":"<app>-events"}"#),
        read("kinesis", "ListShards", r#"{"streamName":"<app>-events","maxResults":100}"#),
        read("sts", "GetCallerIdentity", "null"),
    ]),
    some(7_000.0, Who::Reporting, ALL, 1, &[
        read("glue", "GetTable", r#"{"databaseName":"<team>_<env>","name":"<pick:events|daily|customers|sessions>"}"#),
        read("glue", "GetPartitions", r#"{"databaseName":"<team>_<env>","tableName":"<pick:events|daily|customers|sessions>","expression":"day >= '<num:2>'","maxResults":1000}"#),
        read("glue", "GetDatabases", r#"{"maxResults":100}"#),
        read("athena", "GetQueryExecution", r#"{"queryExecutionId":"<uuid>"}"#),
        read("athena", "GetQueryResultsStream", r#"{"queryExecutionId":"<uuid>"}"#),
    ]),
    in_order(700.0, Who::Reporting, ALL, &[change(
        "athena",
        "StartQueryExecution",
        r#"{"queryString":"HIDDEN_DUE_TO_SECURITY_REASONS","workGroup":"reporting","queryExecutionContext":{"database":"<team>_<env>","catalog":"AwsDataCatalog"},"resultConfiguration":{"outputLocation":"s3://example-query-results-<region>/reporting/"},"clientRequestToken":"<uuid>"}"#,
        r#"{"queryExecutionId":"<new-uuid>"}"#,
    )]),
    some(4_000.0, Who::Workload, ALL, 1, &[
        read("monitoring", "GetMetricData", r#"{"startTime":"<said>","endTime":"<said>","metricDataQueries":[{"id":"m1","returnData":true,"metricStat":{"metric":{"namespace":"AWS/SQS","metricName":"ApproximateAgeOfOldestMessage"},"period":60,"stat":"Maximum"}}]}"#),
        read("monitoring", "DescribeAlarms", r#"{"alarmNamePrefix":"<app>-","maxRecords":100}"#),
        read("rds", "DescribeDBInstances", r#"{"dBInstanceIdentifier":"<app>-<env>"}"#),
        read("rds", "DescribeDBClusters", r#"{"dBClusterIdentifier":"<app>-<env>"}"#),
    ]),
];

/// What services do for workloads, with the workload's role. The largest is the decryption of objects and secrets.
/// Shares: our assumption; as above.
pub(super) const FOR_WORKLOADS: &[Doing] = &[
    in_order(40_000.0, Who::For("AWS Internal"), ALL, &[read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::<app>-<env>-<zone>"}}"#,
    )
    .on(KEY)]),
    in_order(12_000.0, Who::For("AWS Internal"), ALL, &[read(
        "kms",
        "GenerateDataKey",
        r#"{"keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::<app>-<env>-<zone>"},"keyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#,
    )
    .on(KEY)]),
    in_order(9_000.0, Who::For("secretsmanager.amazonaws.com"), ALL, &[read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"SecretARN":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-<pick:a1B2c3|x9Y8z7>","SecretVersionId":"<@version>"}}"#,
    )
    .on(KEY)]),
    in_order(6_000.0, Who::For("ssm.amazonaws.com"), ALL, &[read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"PARAMETER_ARN":"arn:aws:ssm:<region>:<account>:parameter/<env>/<app>/database-url"}}"#,
    )
    .on(KEY)]),
    in_order(6_000.0, Who::For("dynamodb.amazonaws.com"), ALL, &[read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:dynamodb:tableName":"<app>-<env>","aws:dynamodb:subscriberId":"<account>"}}"#,
    )
    .on(KEY)]),
    in_order(3_000.0, Who::Instance, ALL, &[read(
        "ecr",
        "GetAuthorizationToken",
        "null",
    )]),
    in_order(3_000.0, Who::For("ecs-tasks.amazonaws.com"), ALL, &[
        read("ecr", "GetAuthorizationToken", "null"),
        read("ecr", "BatchGetImage", r#"{"registryId":"<shared>","repositoryName":"<app>","imageIds":[{"imageTag":"main-<hex:7>"}],"acceptedMediaTypes":["application/vnd.docker.distribution.manifest.v2+json","application/vnd.oci.image.manifest.v1+json"]}"#)
            .on(r#"[{"accountId":"<shared>","ARN":"arn:aws:ecr:<region>:<shared>:repository/<app>"}]"#),
        read("ecr", "GetDownloadUrlForLayer", r#"{"registryId":"<shared>","repositoryName":"<app>","layerDigest":"sha256:<hex:64>"}"#)
            .on(r#"[{"accountId":"<shared>","ARN":"arn:aws:ecr:<region>:<shared>:repository/<app>"}]"#),
    ]),
];
