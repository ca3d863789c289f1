//! Those who watch: services, a vendor's scanner, and the automation around them.

use crate::synth::act::{Act, Doing, Place, Who, change, in_order, read, some};

const ALL: Place = Place::Anywhere;

const ANALYZER: Who =
    Who::Linked("AccessAnalyzer", "access-analyzer", "access-analyzer.amazonaws.com");
const GUARD: Who = Who::Linked("AmazonGuardDuty", "GuardDuty", "guardduty.amazonaws.com");
const HUB: Who = Who::Linked("SecurityHub", "securityhub", "securityhub.amazonaws.com");

const BUCKETS: &[Act] = &[
    read(
        "s3",
        "GetBucketPolicyStatus",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","policyStatus":""}"#,
    ),
    read(
        "s3",
        "GetBucketPolicy",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","policy":""}"#,
    ),
    read(
        "s3",
        "GetBucketAcl",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","acl":""}"#,
    ),
    read(
        "s3",
        "GetBucketPublicAccessBlock",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","publicAccessBlock":""}"#,
    ),
    read(
        "s3",
        "GetBucketLogging",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","logging":""}"#,
    ),
    read(
        "s3",
        "GetBucketVersioning",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","versioning":""}"#,
    ),
    read(
        "s3",
        "GetBucketLocation",
        r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","location":""}"#,
    ),
];

/// What is looked at in a region.
const REGIONAL: &[Act] = &[
    read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{},"maxResults":1000}"#),
    read(
        "ec2",
        "DescribeSecurityGroups",
        r#"{"filterSet":{},"securityGroupIdSet":{},"securityGroupSet":{},"maxResults":1000}"#,
    ),
    read("ec2", "DescribeVolumes", r#"{"filterSet":{},"volumeSet":{},"maxResults":500}"#),
    read(
        "ec2",
        "DescribeSnapshots",
        r#"{"filterSet":{},"ownersSet":{"items":[{"owner":"self"}]},"snapshotSet":{},"maxResults":1000}"#,
    ),
    read(
        "ec2",
        "DescribeSnapshotAttribute",
        r#"{"snapshotId":"snap-<~snap>","attributeType":"CREATE_VOLUME_PERMISSION"}"#,
    ),
    read(
        "ec2",
        "DescribeImages",
        r#"{"executableBySet":{},"filterSet":{},"imagesSet":{},"ownersSet":{"items":[{"owner":"self"}]}}"#,
    ),
    read(
        "ec2",
        "DescribeInstanceAttribute",
        r#"{"instanceId":"i-<~i>","attribute":"<pick:disableApiTermination|instanceInitiatedShutdownBehavior|userData>"}"#,
    ),
    read("ec2", "DescribeFlowLogs", r#"{"DescribeFlowLogsRequest":""}"#),
    read("ec2", "DescribeVpcEndpoints", r#"{"DescribeVpcEndpointsRequest":""}"#),
    read("ec2", "DescribeRouteTables", r#"{"filterSet":{},"routeTableIdSet":{}}"#),
    read("ec2", "GetEbsEncryptionByDefault", r#"{"GetEbsEncryptionByDefaultRequest":""}"#),
    read("rds", "DescribeDBInstances", r#"{"maxRecords":100}"#),
    read(
        "rds",
        "DescribeDBSnapshots",
        r#"{"maxRecords":100,"includePublic":false,"includeShared":false}"#,
    ),
    read(
        "rds",
        "DescribeDBSnapshotAttributes",
        r#"{"dBSnapshotIdentifier":"rds:<app>-<env>-2026-11-<num:2>"}"#,
    ),
    read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
    read("lambda", "GetPolicy20150331v2", r#"{"functionName":"<app>-handler"}"#),
    read("lambda", "GetFunction20150331v2", r#"{"functionName":"<app>-handler"}"#),
    read("kms", "ListKeys", r#"{"limit":1000}"#),
    read("kms", "GetKeyRotationStatus", r#"{"keyId":"<@key>"}"#),
    read("kms", "GetKeyPolicy", r#"{"keyId":"<@key>","policyName":"default"}"#),
    read("secretsmanager", "ListSecrets", r#"{"maxResults":100}"#),
    read("secretsmanager", "GetResourcePolicy", r#"{"secretId":"<env>/<app>/database"}"#),
    read("ssm", "DescribeParameters", r#"{"maxResults":50}"#),
    read("ecr", "DescribeRepositories", r#"{"maxResults":100}"#),
    read("ecr", "GetRepositoryPolicy", r#"{"repositoryName":"<app>"}"#),
    read("eks", "ListClusters", r#"{"maxResults":100}"#),
    read("cloudtrail", "DescribeTrails", r#"{"includeShadowTrails":true}"#),
    read(
        "cloudtrail",
        "GetTrailStatus",
        r#"{"name":"arn:aws:cloudtrail:us-east-1:<management>:trail/organization"}"#,
    ),
    read(
        "cloudtrail",
        "GetEventSelectors",
        r#"{"trailName":"arn:aws:cloudtrail:us-east-1:<management>:trail/organization"}"#,
    ),
    read("guardduty", "ListDetectors", r#"{"maxResults":50}"#),
    read("config", "DescribeConfigurationRecorderStatus", "null"),
    read("elasticloadbalancing", "DescribeLoadBalancers", r#"{"pageSize":400}"#),
    read(
        "elasticloadbalancing",
        "DescribeListeners",
        r#"{"loadBalancerArn":"arn:aws:elasticloadbalancing:<region>:<account>:loadbalancer/app/<app>-<env>/<hex:16>"}"#,
    ),
    read("sns", "ListTopics", "null"),
    read("sqs", "ListQueues", "null"),
    read("dynamodb", "ListTables", r#"{"limit":100}"#),
];

/// What is looked at once an account.
const IDENTITIES: &[Act] = &[
    read("iam", "ListRoles", r#"{"maxItems":1000}"#),
    read("iam", "ListUsers", r#"{"maxItems":1000}"#),
    read("iam", "ListPolicies", r#"{"scope":"Local","onlyAttached":false,"maxItems":1000}"#),
    read("iam", "GetRole", r#"{"roleName":"<app>-task"}"#),
    read("iam", "ListAttachedRolePolicies", r#"{"roleName":"<app>-task"}"#),
    read("iam", "ListRolePolicies", r#"{"roleName":"<app>-task"}"#),
    read("iam", "GetRolePolicy", r#"{"roleName":"<app>-task","policyName":"<app>-access"}"#),
    read(
        "iam",
        "GetPolicyVersion",
        r#"{"policyArn":"arn:aws:iam::<account>:policy/<team>-boundary","versionId":"v<num:1>"}"#,
    ),
    read("iam", "ListAccessKeys", r#"{"userName":"legacy-exporter"}"#),
    read("iam", "GetAccessKeyLastUsed", r#"{"accessKeyId":"AKIA<num:9>EXAMPLE"}"#),
    read("iam", "ListMFADevices", r#"{"userName":"legacy-exporter"}"#),
    read("iam", "GetAccountSummary", "null"),
    read("iam", "GetAccountPasswordPolicy", "null"),
    read(
        "iam",
        "GetAccountAuthorizationDetails",
        r#"{"maxItems":1000,"filter":["Role","User","LocalManagedPolicy"]}"#,
    ),
    read("iam", "ListSAMLProviders", "null"),
    read("iam", "GetServiceLastAccessedDetails", r#"{"jobId":"<uuid>"}"#),
];

/// What watching costs in records. Shares: our assumption; a scanner goes through every account and region a few
/// times a day.
pub(super) const SECURITY: &[Doing] = &[
    in_order(450.0, Who::Vendor, ALL, &[read(
        "sts",
        "AssumeRole",
        r#"{"roleArn":"arn:aws:iam::<account>:role/posture-scanner-readonly","roleSessionName":"posture-scan","externalId":"<=external-id>","durationSeconds":3600}"#,
    )
    .answers(r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"},"assumedRoleUser":{"assumedRoleId":"AROA<num:10>EXAMPLE:posture-scan","arn":"arn:aws:sts::<account>:assumed-role/posture-scanner-readonly/posture-scan"}}"#)
    .on(r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/posture-scanner-readonly"}]"#)]),
    some(700.0, Who::Scanner, ALL, 20, REGIONAL),
    some(180.0, Who::Scanner, ALL, 12, BUCKETS),
    some(200.0, Who::Scanner, ALL, 15, IDENTITIES),
    in_order(2.0, Who::Scanner, ALL, &[
        read("iam", "GenerateCredentialReport", "null").answers(r#"{"state":"STARTED","description":"No report exists. Starting a new report generation task"}"#),
        read("iam", "GetCredentialReport", "null"),
    ]),
    some(450.0, ANALYZER, ALL, 8, BUCKETS),
    some(150.0, ANALYZER, ALL, 8, IDENTITIES),
    some(250.0, GUARD, ALL, 4, &[
        read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#),
        read("ec2", "DescribeVpcEndpoints", r#"{"DescribeVpcEndpointsRequest":{"Filter":{"tag":1,"Name":"vpc-id","Value":{"tag":1,"content":"vpc-<=vpc>"}}}}"#),
        read("eks", "DescribeCluster", r#"{"name":"<team>-<env>"}"#),
        read("organizations", "DescribeOrganization", "null"),
    ]),
    some(900.0, HUB, ALL, 3, &[
        read("config", "DescribeConfigRules", r#"{"configRuleNames":["securityhub-<pick:vpc-flow-logs-enabled|s3-bucket-ssl-requests-only|rds-storage-encrypted>-<hex:8>"]}"#),
        read("config", "GetComplianceDetailsByConfigRule", r#"{"configRuleName":"securityhub-<pick:vpc-flow-logs-enabled|s3-bucket-ssl-requests-only|rds-storage-encrypted>-<hex:8>","limit":100}"#),
        read("cloudtrail", "DescribeTrails", r#"{"includeShadowTrails":true}"#),
    ]),
    in_order(300.0, Who::Service("guardduty.amazonaws.com"), ALL, &[change(
        "securityhub",
        "BatchImportFindings",
        r#"{"findings":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
        r#"{"failedCount":0,"successCount":1,"failedFindings":[]}"#,
    )]),
    in_order(40.0, Who::Function, Place::Security, &[change(
        "securityhub",
        "BatchUpdateFindings",
        r#"{"findingIdentifiers":[{"id":"arn:aws:securityhub:<region>:<peer>:subscription/finding/<uuid>","productArn":"arn:aws:securityhub:<region>::product/aws/securityhub"}],"workflow":{"status":"SUPPRESSED"},"note":{"text":"HIDDEN_DUE_TO_SECURITY_REASONS","updatedBy":"triage"}}"#,
        r#"{"processedFindings":[],"unprocessedFindings":[]}"#,
    )]),
    in_order(2.0, Who::Console(crate::synth::act::Set::Administrator), Place::Security, &[
        read("guardduty", "ListFindings", r#"{"detectorId":"<=detector>","maxResults":50}"#),
        read("guardduty", "GetFindings", r#"{"detectorId":"<=detector>","findingIds":["<hex:32>"]}"#),
        change("guardduty", "ArchiveFindings", r#"{"detectorId":"<=detector>","findingIds":["<hex:32>"]}"#, "{}"),
    ]),
    some(300.0, Who::Vending, ALL, 3, &[
        read("organizations", "ListAccounts", r#"{"maxResults":20}"#),
        read("organizations", "ListAccountsForParent", r#"{"parentId":"ou-exam-<hex:8>","maxResults":20}"#),
        read("organizations", "DescribeAccount", r#"{"accountId":"<peer>"}"#),
        read("organizations", "ListOrganizationalUnitsForParent", r#"{"parentId":"r-exam"}"#),
        read("organizations", "ListTagsForResource", r#"{"resourceId":"<peer>"}"#),
        read("organizations", "DescribeOrganization", "null"),
    ]),
];
