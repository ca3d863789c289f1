//! People at work: pages of the console, the command line, on call.

use crate::synth::act::{Act, Doing, Place, Set, Who, change, in_order, read, some};

const WORK: Place = Place::Workloads;
const PROD: Place = Place::Production;

/// What a page about computing asks for.
const COMPUTE: &[Act] = &[
    read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{},"maxResults":1000}"#),
    read(
        "ec2",
        "DescribeInstanceStatus",
        r#"{"instancesSet":{},"filterSet":{},"includeAllInstances":true}"#,
    ),
    read(
        "ec2",
        "DescribeInstanceTypes",
        r#"{"DescribeInstanceTypesRequest":{"InstanceType":{"tag":1,"content":"m6i.large"}}}"#,
    ),
    read(
        "ec2",
        "DescribeTags",
        r#"{"filterSet":{"items":[{"name":"resource-type","valueSet":{"items":[{"value":"instance"}]}}]}}"#,
    ),
    read("ec2", "DescribeVolumes", r#"{"volumeSet":{},"filterSet":{}}"#),
    read("ec2", "DescribeAddresses", r#"{"publicIpsSet":{},"filterSet":{},"allocationIdsSet":{}}"#),
    read("ec2", "DescribeKeyPairs", r#"{"filterSet":{},"keySet":{}}"#),
    read(
        "ec2",
        "DescribeSecurityGroups",
        r#"{"filterSet":{},"securityGroupIdSet":{},"securityGroupSet":{}}"#,
    ),
    read(
        "ec2",
        "DescribeAccountAttributes",
        r#"{"accountAttributeNameSet":{"items":[{"attributeName":"supported-platforms"}]},"filterSet":{}}"#,
    ),
    read("autoscaling", "DescribeAutoScalingGroups", r#"{"maxRecords":100}"#),
    read("elasticloadbalancing", "DescribeLoadBalancers", r#"{"pageSize":400}"#),
    read("monitoring", "DescribeAlarms", r#"{"maxRecords":100}"#),
    read("ecs", "ListClusters", r#"{"maxResults":100}"#),
    read("ecs", "DescribeClusters", r#"{"clusters":["<team>-<env>"],"include":["STATISTICS"]}"#),
    read("ecs", "ListServices", r#"{"cluster":"<team>-<env>","maxResults":100}"#),
    read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"]}"#),
    read("ecs", "ListTasks", r#"{"cluster":"<team>-<env>","serviceName":"<app>"}"#),
    read("ecs", "DescribeTasks", r#"{"cluster":"<team>-<env>","tasks":["<hex:32>"]}"#),
    read(
        "health",
        "DescribeEventAggregates",
        r#"{"aggregateField":"eventTypeCategory","filter":{"eventStatusCodes":["open","upcoming"]}}"#,
    ),
    read("notifications", "ListNotificationHubs", "null"),
];

/// What pages about functions, data and messages ask for.
const DATA: &[Act] = &[
    read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
    read("lambda", "GetAccountSettings20160819", "null"),
    read("lambda", "GetFunction20150331v2", r#"{"functionName":"<app>-handler"}"#),
    read(
        "lambda",
        "ListTags20170331",
        r#"{"resource":"arn:aws:lambda:<region>:<account>:function:<app>-handler"}"#,
    ),
    read("s3", "ListBuckets", r#"{"Host":"s3.<region>.amazonaws.com"}"#),
    read(
        "s3",
        "GetBucketLocation",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","location":""}"#,
    ),
    read(
        "s3",
        "GetBucketVersioning",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","versioning":""}"#,
    ),
    read(
        "s3",
        "GetAccountPublicAccessBlock",
        r#"{"Host":"<account>.s3-control.<region>.amazonaws.com"}"#,
    ),
    read("dynamodb", "ListTables", r#"{"limit":100}"#),
    read("dynamodb", "DescribeTable", r#"{"tableName":"<app>-<env>"}"#),
    read("rds", "DescribeDBInstances", r#"{"maxRecords":100}"#),
    read("rds", "DescribeDBClusters", r#"{"maxRecords":100}"#),
    read(
        "rds",
        "DescribeEvents",
        r#"{"sourceType":"db-instance","sourceIdentifier":"<app>-<env>","duration":1440}"#,
    ),
    read("sqs", "ListQueues", r#"{"maxResults":1000}"#),
    read(
        "sqs",
        "GetQueueAttributes",
        r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-jobs","attributeNames":["All"]}"#,
    ),
    read("kms", "ListAliases", r#"{"limit":100}"#),
    read("secretsmanager", "ListSecrets", r#"{"maxResults":100}"#),
    read("secretsmanager", "DescribeSecret", r#"{"secretId":"<env>/<app>/database"}"#),
    read("ssm", "DescribeParameters", r#"{"maxResults":50}"#),
    read("logs", "DescribeLogGroups", r#"{"limit":50}"#),
    read(
        "logs",
        "DescribeLogStreams",
        r#"{"logGroupName":"/ecs/<app>-<env>","orderBy":"LastEventTime","descending":true,"limit":50}"#,
    ),
    read("monitoring", "ListDashboards", "null"),
    read("monitoring", "GetDashboard", r#"{"dashboardName":"<team>-<env>"}"#),
    read(
        "cloudformation",
        "ListStacks",
        r#"{"stackStatusFilter":["CREATE_COMPLETE","UPDATE_COMPLETE"]}"#,
    ),
];

/// What pages about roles and money ask for.
const IDENTITY: &[Act] = &[
    read("iam", "ListRoles", r#"{"maxItems":1000}"#),
    read("iam", "GetRole", r#"{"roleName":"<app>-task"}"#),
    read("iam", "ListAttachedRolePolicies", r#"{"roleName":"<app>-task"}"#),
    read("iam", "ListRolePolicies", r#"{"roleName":"<app>-task"}"#),
    read("iam", "GetRolePolicy", r#"{"roleName":"<app>-task","policyName":"<app>-access"}"#),
    read("iam", "ListPolicies", r#"{"scope":"All","maxItems":1000}"#),
    read(
        "iam",
        "GetPolicyVersion",
        r#"{"policyArn":"arn:aws:iam::<account>:policy/<team>-boundary","versionId":"v<num:1>"}"#,
    ),
    read("iam", "GetAccountSummary", "null"),
    read("iam", "ListAccountAliases", "null"),
    read("iam", "ListUsers", r#"{"maxItems":1000}"#),
];

/// What people look at and try. Shares: our assumption; a page of the console asks for about ten things at once.
pub(super) const PEOPLE: &[Doing] = &[
    some(280.0, Who::Console(Set::PowerUser), WORK, 12, COMPUTE),
    some(240.0, Who::Console(Set::PowerUser), WORK, 10, DATA),
    some(120.0, Who::Console(Set::ReadOnly), WORK, 12, COMPUTE),
    some(80.0, Who::Console(Set::ReadOnly), WORK, 10, DATA),
    some(30.0, Who::Console(Set::Administrator), Place::Anywhere, 10, COMPUTE),
    some(25.0, Who::Console(Set::Administrator), Place::Anywhere, 8, IDENTITY),
    some(25.0, Who::Console(Set::ReadOnly), WORK, 6, IDENTITY),
    some(160.0, Who::Cli(Set::PowerUser), WORK, 3, COMPUTE),
    some(120.0, Who::Cli(Set::PowerUser), WORK, 3, DATA),
    some(60.0, Who::Cli(Set::ReadOnly), WORK, 3, DATA),
    some(15.0, Who::Cli(Set::Administrator), Place::Anywhere, 4, COMPUTE),
    in_order(60.0, Who::Cli(Set::PowerUser), WORK, &[read("sts", "GetCallerIdentity", "null")]),
    some(
        2.0,
        Who::Console(Set::Billing),
        Place::Management,
        5,
        &[
            read(
                "ce",
                "GetCostAndUsage",
                r#"{"granularity":"DAILY","metrics":["UnblendedCost"],"groupBy":[{"type":"DIMENSION","key":"LINKED_ACCOUNT"}]}"#,
            ),
            read("ce", "GetCostForecast", r#"{"granularity":"MONTHLY","metric":"UNBLENDED_COST"}"#),
            read("ce", "GetDimensionValues", r#"{"dimension":"SERVICE"}"#),
            read("organizations", "ListAccounts", "null"),
            read("savingsplans", "DescribeSavingsPlans", "null"),
        ],
    ),
    in_order(
        4.0,
        Who::Cli(Set::PowerUser),
        WORK,
        &[read("secretsmanager", "GetSecretValue", r#"{"secretId":"<env>/<app>/database"}"#)],
    ),
    in_order(
        40.0,
        Who::Console(Set::PowerUser),
        PROD,
        &[
            change(
                "logs",
                "StartQuery",
                r#"{"logGroupNames":["/ecs/<app>-<env>"],"startTime":<millis>,"endTime":<millis>,"queryString":"fields @timestamp, @message | filter @message like /ERROR/ | sort @timestamp desc","limit":1000}"#,
                r#"{"queryId":"<new-uuid>"}"#,
            ),
            read("logs", "GetQueryResults", r#"{"queryId":"<new-uuid>"}"#),
            read("logs", "GetQueryResults", r#"{"queryId":"<new-uuid>"}"#),
        ],
    ),
    in_order(
        30.0,
        Who::Console(Set::PowerUser),
        PROD,
        &[
            change(
                "athena",
                "StartQueryExecution",
                r#"{"queryString":"HIDDEN_DUE_TO_SECURITY_REASONS","workGroup":"analysts","queryExecutionContext":{"database":"<team>_<env>","catalog":"AwsDataCatalog"},"clientRequestToken":"<uuid>"}"#,
                r#"{"queryExecutionId":"<new-uuid>"}"#,
            ),
            read("athena", "GetQueryExecution", r#"{"queryExecutionId":"<new-uuid>"}"#),
            read(
                "athena",
                "GetQueryResults",
                r#"{"queryExecutionId":"<new-uuid>","maxResults":1000}"#,
            ),
        ],
    ),
    in_order(
        12.0,
        Who::Console(Set::PowerUser),
        WORK,
        &[read(
            "cloudtrail",
            "LookupEvents",
            r#"{"lookupAttributes":[{"attributeKey":"<pick:ResourceName|EventName|Username>","attributeValue":"<app>"}],"maxResults":50}"#,
        )],
    ),
    // On call: a shell on an instance or in a container.
    in_order(
        5.0,
        Who::Cli(Set::PowerUser),
        PROD,
        &[
            change(
                "ssm",
                "StartSession",
                r#"{"target":"i-<~i>"}"#,
                r#"{"sessionId":"<session>-<new>","tokenValue":"Value hidden due to security reasons.","streamUrl":"wss://ssmmessages.<region>.amazonaws.com/v1/data-channel/<session>-<new>?role=publish_subscribe"}"#,
            ),
            change(
                "ssm",
                "TerminateSession",
                r#"{"sessionId":"<session>-<new>"}"#,
                r#"{"sessionId":"<session>-<new>"}"#,
            ),
        ],
    ),
    in_order(
        3.0,
        Who::Cli(Set::PowerUser),
        WORK,
        &[
            read("ecs", "DescribeTasks", r#"{"cluster":"<team>-<env>","tasks":["<hex:32>"]}"#),
            change(
                "ecs",
                "ExecuteCommand",
                r#"{"cluster":"<team>-<env>","task":"<hex:32>","container":"<app>","command":"/bin/sh","interactive":true}"#,
                r#"{"clusterArn":"arn:aws:ecs:<region>:<account>:cluster/<team>-<env>","containerName":"<app>","interactive":true,"session":{"sessionId":"ecs-execute-command-<hex:17>","streamUrl":"HIDDEN_DUE_TO_SECURITY_REASONS","tokenValue":"HIDDEN_DUE_TO_SECURITY_REASONS"},"taskArn":"arn:aws:ecs:<region>:<account>:task/<team>-<env>/<hex:32>"}"#,
            ),
        ],
    ),
    in_order(
        1.5,
        Who::Console(Set::PowerUser),
        WORK,
        &[
            change(
                "cloudshell",
                "CreateEnvironment",
                "{}",
                r#"{"environmentId":"<new-uuid>","status":"CREATING"}"#,
            ),
            change(
                "cloudshell",
                "CreateSession",
                r#"{"environmentId":"<new-uuid>","sessionType":"TMUX"}"#,
                r#"{"environmentId":"<new-uuid>","sessionId":"<session>-<new>","tokenValue":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
            ),
            change(
                "cloudshell",
                "PutCredentials",
                r#"{"environmentId":"<new-uuid>","refreshToken":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
                "null",
            ),
        ],
    ),
];
