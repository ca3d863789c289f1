//! What happens in a synthetic organization, and how often.

/// Picks by weight.
pub(super) fn pick<T: Copy>(random: &mut fastrand::Rng, choices: &[(u32, T)]) -> T {
    let total: u32 = choices.iter().map(|(weight, _)| weight).sum();
    let mut at = random.u32(0..total.max(1));
    for (weight, choice) in choices {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return *choice,
        }
    }
    choices[choices.len() - 1].1
}

pub(super) const REGIONS: &[(u32, &str)] = &[
    (45, "us-east-1"),
    (20, "us-west-2"),
    (20, "eu-west-1"),
    (10, "eu-central-1"),
    (5, "ap-southeast-2"),
];

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A role of a workload.
    Workload,
    /// A role of an instance, named after it.
    Instance,
    /// An AWS service by itself.
    Service,
    /// A person, through Identity Center.
    Person,
    /// An IAM user of an older system.
    User,
}

pub(super) const CALLERS: &[(u32, Caller)] = &[
    (58, Caller::Workload),
    (12, Caller::Instance),
    (22, Caller::Service),
    (4, Caller::Person),
    (4, Caller::User),
];

pub(super) const WORKLOADS: &[&str] = &[
    "orders-api",
    "billing-worker",
    "image-resizer",
    "search-indexer",
    "data-pipeline",
    "ci-runner",
    "log-shipper",
    "backup-agent",
    "inventory-sync",
    "session-store",
    "mail-sender",
    "report-builder",
];

pub(super) const SERVICES: &[&str] = &[
    "config.amazonaws.com",
    "autoscaling.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "lambda.amazonaws.com",
    "ssm.amazonaws.com",
    "backup.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "rds.amazonaws.com",
];

pub(super) const PEOPLE: &[&str] =
    &["platform-engineer", "data-analyst", "on-call", "security-auditor"];

pub(super) const USERS: &[&str] = &["legacy-exporter", "license-checker"];

pub(super) const AGENTS: &[(u32, &str)] = &[
    (
        40,
        "aws-sdk-java/2.29.6 Linux/5.10 OpenJDK_64-Bit_Server_VM/21.0.5 Java/21.0.5 vendor/Amazon.com cfg/retry-mode/standard",
    ),
    (
        25,
        "Boto3/1.35.60 md/Botocore#1.35.60 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.12.7 md/pyimpl#CPython cfg/retry-mode#legacy",
    ),
    (
        15,
        "aws-sdk-go-v2/1.32.4 os/linux lang/go#1.23.3 md/GOOS#linux md/GOARCH#arm64 api/s3#1.66.3",
    ),
    (10, "aws-sdk-js/3.693.0 ua/2.1 os/linux#5.10 lang/js md/nodejs#20.18.0 api/dynamodb#3.693.0"),
    (10, "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) aws-sdk-go-v2/1.32.4"),
];

/// One API and how often it is called.
#[derive(Clone, Copy)]
pub(super) struct Api {
    pub(super) source: &'static str,
    pub(super) name: &'static str,
    pub(super) reads: bool,
    /// The request's parameters as JSON; `#` stands for a digit, `@` for a word.
    pub(super) request: &'static str,
}

const fn api(source: &'static str, name: &'static str, reads: bool, request: &'static str) -> Api {
    Api { source, name, reads, request }
}

/// Data events: half of all.
pub(super) const DATA: &[(u32, Api)] = &[
    (
        46,
        api(
            "s3.amazonaws.com",
            "GetObject",
            true,
            r#"{"bucketName":"example-@-####","Host":"example-@-####.s3.amazonaws.com","key":"@/2026/11/##/part-########.parquet"}"#,
        ),
    ),
    (
        20,
        api(
            "s3.amazonaws.com",
            "PutObject",
            false,
            r#"{"bucketName":"example-@-####","Host":"example-@-####.s3.amazonaws.com","key":"@/2026/11/##/part-########.parquet","x-amz-server-side-encryption":"aws:kms"}"#,
        ),
    ),
    (
        8,
        api(
            "s3.amazonaws.com",
            "ListObjects",
            true,
            r#"{"list-type":"2","bucketName":"example-@-####","prefix":"@/2026/11/##/","max-keys":"1000"}"#,
        ),
    ),
    (
        16,
        api(
            "lambda.amazonaws.com",
            "Invoke",
            false,
            r#"{"functionName":"arn:aws:lambda:us-east-1:100000000000:function:@-handler","sourceAccount":"1000000#####"}"#,
        ),
    ),
    (
        10,
        api(
            "dynamodb.amazonaws.com",
            "GetItem",
            true,
            r#"{"tableName":"@-table","key":{"pk":"********"},"consistentRead":false}"#,
        ),
    ),
];

/// Management events: a few very frequent ones, and a long tail below.
pub(super) const MANAGEMENT: &[(u32, Api)] = &[
    (
        24,
        api(
            "sts.amazonaws.com",
            "AssumeRole",
            true,
            r#"{"roleArn":"arn:aws:iam::1000000#####:role/@","roleSessionName":"@-########","durationSeconds":3600}"#,
        ),
    ),
    (
        22,
        api(
            "kms.amazonaws.com",
            "Decrypt",
            true,
            r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::example-@-####"},"keyId":"arn:aws:kms:us-east-1:100000000000:key/########-####-4###-8###-############"}"#,
        ),
    ),
    (
        10,
        api(
            "kms.amazonaws.com",
            "GenerateDataKey",
            true,
            r#"{"keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::example-@-####"},"keyId":"arn:aws:kms:us-east-1:100000000000:key/########-####-4###-8###-############"}"#,
        ),
    ),
    (
        8,
        api(
            "ec2.amazonaws.com",
            "DescribeInstances",
            true,
            r#"{"filterSet":{"items":[{"name":"tag:service","valueSet":{"items":[{"value":"@"}]}}]},"instancesSet":{},"maxResults":100}"#,
        ),
    ),
    (
        6,
        api(
            "logs.amazonaws.com",
            "CreateLogStream",
            false,
            r#"{"logGroupName":"/ecs/@","logStreamName":"@/########"}"#,
        ),
    ),
    (
        6,
        api(
            "ssm.amazonaws.com",
            "UpdateInstanceInformation",
            false,
            r#"{"instanceId":"i-0############","agentVersion":"3.3.987.0","agentStatus":"Active","platformType":"Linux"}"#,
        ),
    ),
    (
        5,
        api(
            "secretsmanager.amazonaws.com",
            "GetSecretValue",
            true,
            r#"{"secretId":"arn:aws:secretsmanager:us-east-1:100000000000:secret:@-######"}"#,
        ),
    ),
    (
        5,
        api(
            "ecr.amazonaws.com",
            "BatchGetImage",
            true,
            r#"{"repositoryName":"@","registryId":"100000000000","imageIds":[{"imageTag":"v1.##.#"}]}"#,
        ),
    ),
    (14, TAIL),
];

/// Stands for one of [`TAIL_NAMES`].
pub(super) const TAIL: Api = api("", "", true, "{}");

/// Calls that are rare one by one.
pub(super) const TAIL_NAMES: &[(&str, &[&str])] = &[
    (
        "ec2.amazonaws.com",
        &[
            "DescribeVolumes",
            "DescribeSubnets",
            "DescribeVpcs",
            "DescribeImages",
            "DescribeTags",
            "DescribeAddresses",
            "DescribeRouteTables",
            "DescribeSecurityGroups",
            "DescribeNetworkInterfaces",
            "DescribeInstanceStatus",
            "CreateTags",
            "RunInstances",
            "TerminateInstances",
            "CreateNetworkInterface",
            "DeleteNetworkInterface",
        ],
    ),
    (
        "autoscaling.amazonaws.com",
        &[
            "DescribeAutoScalingGroups",
            "DescribeScalingActivities",
            "SetDesiredCapacity",
            "CompleteLifecycleAction",
        ],
    ),
    (
        "ecs.amazonaws.com",
        &[
            "DescribeTasks",
            "DescribeServices",
            "ListTasks",
            "UpdateService",
            "RegisterContainerInstance",
            "SubmitTaskStateChange",
        ],
    ),
    (
        "rds.amazonaws.com",
        &["DescribeDBInstances", "DescribeDBClusters", "ListTagsForResource", "CreateDBSnapshot"],
    ),
    (
        "iam.amazonaws.com",
        &[
            "GetRole",
            "ListAttachedRolePolicies",
            "GetPolicy",
            "GetInstanceProfile",
            "ListRolePolicies",
        ],
    ),
    ("monitoring.amazonaws.com", &["DescribeAlarms", "PutMetricAlarm", "GetMetricData"]),
    (
        "elasticloadbalancing.amazonaws.com",
        &["DescribeTargetHealth", "DescribeLoadBalancers", "RegisterTargets", "DeregisterTargets"],
    ),
    (
        "cloudformation.amazonaws.com",
        &["DescribeStacks", "DescribeStackEvents", "ListStackResources", "CreateChangeSet"],
    ),
    ("config.amazonaws.com", &["PutEvaluations", "DescribeConfigRules", "SelectResourceConfig"]),
    ("sqs.amazonaws.com", &["GetQueueAttributes", "GetQueueUrl", "ListQueues"]),
    ("sns.amazonaws.com", &["GetTopicAttributes", "ListSubscriptionsByTopic"]),
    (
        "lambda.amazonaws.com",
        &[
            "GetFunction20150331v2",
            "ListFunctions20150331",
            "GetPolicy20150331v2",
            "GetFunctionConfiguration20150331v2",
        ],
    ),
    (
        "backup.amazonaws.com",
        &["StartBackupJob", "DescribeBackupJob", "ListRecoveryPointsByBackupVault"],
    ),
    ("glue.amazonaws.com", &["GetTable", "GetPartitions", "GetDatabases", "BatchCreatePartition"]),
];

/// Words of resource names.
pub(super) const WORDS: &[&str] = &[
    "orders", "billing", "images", "search", "events", "reports", "sessions", "exports", "audit",
    "catalog",
];
