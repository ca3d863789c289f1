//! Services by themselves, and through their service-linked roles.

use crate::synth::act::{Act, Doing, Place, Who, change, event, in_order, read, some};

const ALL: Place = Place::Anywhere;
const WORK: Place = Place::Workloads;

const CONFIG: Who = Who::Linked("Config", "configLambdaExecution", "config.amazonaws.com");
const SCALING: Who = Who::Linked("AutoScaling", "AutoScaling", "autoscaling.amazonaws.com");
const ECS: Who = Who::Linked("ECS", "ecs-service-scheduler", "ecs.amazonaws.com");
const RDS: Who = Who::Linked("RDS", "RDS", "rds.amazonaws.com");
const SSM: Who = Who::Linked("AmazonSSM", "StateManagerService", "ssm.amazonaws.com");
const APP_SCALING: Who = Who::Linked(
    "ApplicationAutoScaling_ECSService",
    "ecs-service-autoscaling",
    "ecs.application-autoscaling.amazonaws.com",
);

/// An assumption of a role by a service, which is how a workload gets its credentials.
const fn assume(request: &'static str, role: &'static str) -> Act {
    read("sts", "AssumeRole", request)
        .answers(r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"}}"#)
        .on(role)
}

const TASK: &str = r#"{"roleArn":"arn:aws:iam::<account>:role/<app>-task","roleSessionName":"<hex:32>","durationSeconds":21600}"#;
const HANDLER: &str =
    r#"{"roleArn":"arn:aws:iam::<account>:role/<app>-handler","roleSessionName":"<app>-handler"}"#;
const INSTANCE: &str = r#"{"roleArn":"arn:aws:iam::<account>:role/<app>-instance","roleSessionName":"i-<~i>","durationSeconds":21600}"#;

const TASK_ROLE: &str = r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<app>-task"}]"#;
const HANDLER_ROLE: &str = r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<app>-handler"}]"#;
const INSTANCE_ROLE: &str = r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<app>-instance"}]"#;
const CONFIG_ROLE: &str = r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"}]"#;

const INTERFACE: &str = r#"{"networkInterface":{"networkInterfaceId":"eni-<new>","subnetId":"subnet-<=subnet>","vpcId":"vpc-<=vpc>","availabilityZone":"<region>a","ownerId":"<account>","requesterManaged":false,"status":"pending","privateIpAddress":"10.0.<num:1>.<count:2>","groupSet":{"items":[{"groupId":"sg-<~sg>","groupName":"<app>-<env>"}]}}}"#;

/// Names of what Config describes one by one.
const DESCRIBED: &[Act] = &[
    read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#),
    read("ec2", "DescribeVolumes", r#"{"filterSet":{},"volumeSet":{"items":[{"volumeId":"vol-<~vol>"}]}}"#),
    read("ec2", "DescribeNetworkInterfaces", r#"{"filterSet":{},"networkInterfaceIdSet":{"items":[{"networkInterfaceId":"eni-<~eni>"}]}}"#),
    read("ec2", "DescribeSecurityGroups", r#"{"filterSet":{},"securityGroupIdSet":{"items":[{"groupId":"sg-<~sg>"}]},"securityGroupSet":{}}"#),
    read("ec2", "DescribeSubnets", r#"{"filterSet":{},"subnetSet":{"items":[{"subnetId":"subnet-<=subnet>"}]}}"#),
    read("ec2", "DescribeRouteTables", r#"{"filterSet":{},"routeTableIdSet":{"items":[{"routeTableId":"rtb-<=rtb>"}]}}"#),
    read("ec2", "DescribeVpcs", r#"{"filterSet":{},"vpcSet":{"items":[{"vpcId":"vpc-<=vpc>"}]}}"#),
    read("ec2", "DescribeFlowLogs", r#"{"DescribeFlowLogsRequest":{"MaxResults":1000}}"#),
    read("ec2", "DescribeNetworkAcls", r#"{"filterSet":{},"networkAclIdSet":{}}"#),
    read("ec2", "DescribeAddresses", r#"{"publicIpsSet":{},"filterSet":{},"allocationIdsSet":{}}"#),
    read("s3", "GetBucketPolicy", r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","policy":""}"#),
    read("s3", "GetBucketEncryption", r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","encryption":""}"#),
    read("s3", "GetBucketPublicAccessBlock", r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","publicAccessBlock":""}"#),
    read("s3", "GetBucketAcl", r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","acl":""}"#),
    read("s3", "GetBucketTagging", r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","tagging":""}"#),
    read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
    read("lambda", "GetFunctionConfiguration20150331v2", r#"{"functionName":"<app>-handler"}"#),
    read("rds", "DescribeDBInstances", r#"{"dBInstanceIdentifier":"<app>-<env>"}"#),
    read("rds", "DescribeDBSnapshots", r#"{"dBInstanceIdentifier":"<app>-<env>","includeShared":false,"includePublic":false}"#),
    read("kms", "DescribeKey", r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#)
        .on(r#"[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<@key>"}]"#),
    read("kms", "GetKeyPolicy", r#"{"keyId":"<@key>","policyName":"default"}"#)
        .on(r#"[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<@key>"}]"#),
    read("kms", "ListKeys", r#"{"limit":1000}"#),
    read("logs", "DescribeLogGroups", r#"{"logGroupNamePrefix":"/ecs/<app>","limit":50}"#),
    read("dynamodb", "ListTables", r#"{"limit":100}"#),
    read("sns", "GetTopicAttributes", r#"{"topicArn":"arn:aws:sns:<region>:<account>:<app>-events"}"#),
    read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"]}"#),
];

/// What services do. Shares: our assumption. The names of roles, sessions and services are those of AWS's pages on
/// service-linked roles.
pub(super) const SERVICES: &[Doing] = &[
    in_order(28_000.0, Who::Service("ecs-tasks.amazonaws.com"), ALL, &[assume(TASK, TASK_ROLE)]),
    in_order(26_000.0, Who::Service("lambda.amazonaws.com"), ALL, &[assume(HANDLER, HANDLER_ROLE)]),
    in_order(12_000.0, Who::Service("ec2.amazonaws.com"), ALL, &[assume(INSTANCE, INSTANCE_ROLE)]),
    in_order(5_000.0, Who::Service("config.amazonaws.com"), ALL, &[assume(
        r#"{"roleArn":"arn:aws:iam::<account>:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig","roleSessionName":"AWSConfig-Describe"}"#,
        CONFIG_ROLE,
    )]),
    some(5_500.0, CONFIG, ALL, 8, DESCRIBED),
    in_order(1_500.0, CONFIG, ALL, &[change(
        "config",
        "PutEvaluations",
        r#"{"evaluations":[{"complianceResourceType":"AWS::EC2::SecurityGroup","complianceResourceId":"sg-<~sg>","complianceType":"<pick:COMPLIANT|COMPLIANT|NON_COMPLIANT>","orderingTimestamp":"<said>"}],"resultToken":"<text:60>","testMode":false}"#,
        r#"{"failedEvaluations":[]}"#,
    )]),
    in_order(1_500.0, ECS, ALL, &[
        change("ec2", "CreateNetworkInterface", r#"{"subnetId":"subnet-<=subnet>","description":"arn:aws:ecs:<region>:<account>:attachment/<uuid>","groupSet":{"items":[{"groupId":"sg-<~sg>"}]},"privateIpAddressesSet":{},"clientToken":"<uuid>"}"#, INTERFACE),
        change("ec2", "CreateNetworkInterfacePermission", r#"{"CreateNetworkInterfacePermissionRequest":{"NetworkInterfaceId":"eni-<new>","Permission":"INSTANCE-ATTACH","AwsAccountId":"<num:12>"}}"#, "null"),
        read("ec2", "DescribeNetworkInterfaces", r#"{"filterSet":{},"networkInterfaceIdSet":{"items":[{"networkInterfaceId":"eni-<new>"}]}}"#),
        change("elasticloadbalancing", "RegisterTargets", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>","targets":[{"id":"10.0.<num:1>.<count:2>","port":8080}]}"#, "null"),
        read("elasticloadbalancing", "DescribeTargetHealth", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>"}"#),
        change("elasticloadbalancing", "DeregisterTargets", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>","targets":[{"id":"10.0.<num:1>.<count:2>","port":8080}]}"#, "null"),
        change("ec2", "DeleteNetworkInterface", r#"{"networkInterfaceId":"eni-<~eni>"}"#, r#"{"requestId":"<uuid>","_return":true}"#),
    ]),
    some(3_000.0, ECS, ALL, 2, &[
        read("elasticloadbalancing", "DescribeTargetHealth", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>"}"#),
        read("servicediscovery", "ListInstances", r#"{"serviceId":"srv-<hex:16>","maxResults":100}"#),
    ]),
    some(4_000.0, SCALING, ALL, 2, &[
        read("ec2", "DescribeInstanceStatus", r#"{"instancesSet":{"items":[{"instanceId":"i-<~i>"}]},"filterSet":{},"includeAllInstances":true}"#),
        read("elasticloadbalancing", "DescribeTargetHealth", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>"}"#),
        read("ec2", "DescribeLaunchTemplateVersions", r#"{"DescribeLaunchTemplateVersionsRequest":{"LaunchTemplateId":"lt-<~lt>"}}"#),
        read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#),
    ]),
    // An instance comes.
    in_order(130.0, SCALING, WORK, &[
        change(
            "ec2",
            "RunInstances",
            r#"{"instancesSet":{"items":[{"minCount":1,"maxCount":1}]},"instanceType":"<pick:m6i.large|m6i.xlarge|c6i.large|t3.medium>","blockDeviceMapping":{},"subnetId":"subnet-<=subnet>","availabilityZone":"<region>a","monitoring":{"enabled":false},"disableApiTermination":false,"disableApiStop":false,"clientToken":"fleet-<uuid>","launchTemplate":{"launchTemplateId":"lt-<~lt>","version":"<num:1>"},"tagSpecificationSet":{"items":[{"resourceType":"instance","tags":[{"key":"aws:autoscaling:groupName","value":"<app>-<env>"}]}]}}"#,
            r#"{"requestId":"<uuid>","reservationId":"r-<new>","ownerId":"<account>","groupSet":{},"instancesSet":{"items":[{"instanceId":"i-<new>","imageId":"ami-<=ami>","instanceState":{"code":0,"name":"pending"},"amiLaunchIndex":0,"instanceType":"m6i.large","subnetId":"subnet-<=subnet>","vpcId":"vpc-<=vpc>","hypervisor":"xen","architecture":"x86_64","iamInstanceProfile":{"arn":"arn:aws:iam::<account>:instance-profile/<app>-instance"},"groupSet":{"items":[{"groupId":"sg-<~sg>","groupName":"<app>-<env>"}]}}]},"requesterId":"<account>"}"#,
        ),
        change("elasticloadbalancing", "RegisterTargets", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>","targets":[{"id":"i-<new>"}]}"#, "null"),
    ]),
    // An instance goes.
    in_order(130.0, SCALING, WORK, &[
        change("elasticloadbalancing", "DeregisterTargets", r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>/<hex:16>","targets":[{"id":"i-<~i>"}]}"#, "null"),
        change("ec2", "TerminateInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#, r#"{"requestId":"<uuid>","instancesSet":{"items":[{"instanceId":"i-<~i>","currentState":{"code":32,"name":"shutting-down"},"previousState":{"code":16,"name":"running"}}]}}"#),
    ]),
    some(3_000.0, RDS, ALL, 2, &[
        read("ec2", "DescribeSecurityGroups", r#"{"filterSet":{},"securityGroupIdSet":{"items":[{"groupId":"sg-<~sg>"}]},"securityGroupSet":{}}"#),
        read("ec2", "DescribeSubnets", r#"{"filterSet":{},"subnetSet":{"items":[{"subnetId":"subnet-<=subnet>"}]}}"#),
        read("ec2", "DescribeVpcAttribute", r#"{"attribute":"enableDnsHostnames","vpcId":"vpc-<=vpc>"}"#),
        read("ec2", "DescribeAvailabilityZones", r#"{"availabilityZoneSet":{},"availabilityZoneIdSet":{}}"#),
    ]),
    some(2_500.0, SSM, ALL, 2, &[
        read("ec2", "DescribeInstances", r#"{"filterSet":{},"instancesSet":{},"maxResults":50}"#),
        read("resource-groups", "ListGroupResources", r#"{"group":"<team>-<env>","maxResults":50}"#),
    ]),
    some(3_500.0, APP_SCALING, ALL, 2, &[
        read("monitoring", "DescribeAlarms", r#"{"alarmNames":["TargetTracking-service/<team>-<env>/<app>-AlarmHigh-<@alarm>"]}"#),
        read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"]}"#),
        change("monitoring", "PutMetricAlarm", r#"{"alarmName":"TargetTracking-service/<team>-<env>/<app>-AlarmHigh-<@alarm>","metricName":"CPUUtilization","namespace":"AWS/ECS","statistic":"Average","period":60,"evaluationPeriods":3,"threshold":70.0,"comparisonOperator":"GreaterThanThreshold","actionsEnabled":true}"#, "null"),
        change("ecs", "UpdateService", r#"{"cluster":"<team>-<env>","service":"<app>","desiredCount":<count:1>}"#, r#"{"service":{"serviceName":"<app>","clusterArn":"arn:aws:ecs:<region>:<account>:cluster/<team>-<env>","status":"ACTIVE","pendingCount":0}}"#),
    ]),
    in_order(2_500.0, Who::Service("lambda.amazonaws.com"), ALL, &[read(
        "kms",
        "Decrypt",
        r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:lambda:FunctionArn":"arn:aws:lambda:<region>:<account>:function:<app>-handler"}}"#,
    )
    .on(r#"[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<@key>"}]"#)]),
    in_order(7_000.0, Who::Service("cloudtrail.amazonaws.com"), ALL, &[read(
        "kms",
        "GenerateDataKey",
        r#"{"keySpec":"AES_256","encryptionContext":{"aws:cloudtrail:arn":"arn:aws:cloudtrail:us-east-1:<management>:trail/organization","aws:s3:arn":"arn:aws:s3:::example-trail-logs/AWSLogs/<account>"},"keyId":"arn:aws:kms:us-east-1:<log-archive>:key/<@trail-key>"}"#,
    )
    .on(r#"[{"accountId":"<log-archive>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:us-east-1:<log-archive>:key/<@trail-key>"}]"#)]),
    in_order(7_000.0, Who::Service("cloudtrail.amazonaws.com"), ALL, &[read(
        "s3",
        "GetBucketAcl",
        r#"{"bucketName":"example-trail-logs","Host":"example-trail-logs.s3.<region>.amazonaws.com","acl":""}"#,
    )
    .on(r#"[{"accountId":"<log-archive>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::example-trail-logs"}]"#)]),
    // Keys rotate, once a year each.
    in_order(1.0, Who::Told("AWS Internal"), ALL, &[event(
        "kms",
        "RotateKey",
        "AwsServiceEvent",
        r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#,
    )
    .on(r#"[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<@key>"}]"#)]),
];
