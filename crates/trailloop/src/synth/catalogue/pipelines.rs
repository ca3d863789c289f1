//! Pipelines: what they read before they change something, and what they deploy.

use crate::synth::act::{Doing, Place, Who, change, in_order, read, some};

const WORK: Place = Place::Workloads;
const DEV: Place = Place::Development;

/// What a pipeline reads to find what there is. Shares: our assumption; some three hundred runs a day, with about
/// sixty reads each.
pub(super) const READING: &[Doing] = &[
    in_order(320.0, Who::PipelineToken, WORK, &[read(
        "sts",
        "AssumeRoleWithWebIdentity",
        r#"{"roleArn":"arn:aws:iam::<account>:role/<team>-deploy","roleSessionName":"<session>","durationSeconds":3600}"#,
    )
    .answers(r#"{"subjectFromWebIdentityToken":"repo:example-org/<app>:ref:refs/heads/main","credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"},"assumedRoleUser":{"assumedRoleId":"AROA<num:10>EXAMPLE:<session>","arn":"arn:aws:sts::<account>:assumed-role/<team>-deploy/<session>"},"provider":"arn:aws:iam::<account>:oidc-provider/token.actions.githubusercontent.com","audience":"sts.amazonaws.com"}"#)
    .on(r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<team>-deploy"}]"#)]),
    in_order(320.0, Who::Pipeline, WORK, &[read("sts", "GetCallerIdentity", "null")]),
    some(280.0, Who::Pipeline, WORK, 30, &[
        read("ec2", "DescribeVpcs", r#"{"vpcSet":{"items":[{"vpcId":"vpc-<=vpc>"}]},"filterSet":{}}"#),
        read("ec2", "DescribeSubnets", r#"{"subnetSet":{"items":[{"subnetId":"subnet-<=subnet>"}]},"filterSet":{}}"#),
        read("ec2", "DescribeSecurityGroups", r#"{"securityGroupSet":{},"securityGroupIdSet":{"items":[{"groupId":"sg-<~sg>"}]},"filterSet":{}}"#),
        read("ec2", "DescribeSecurityGroupRules", r#"{"DescribeSecurityGroupRulesRequest":{"Filter":{"tag":1,"Name":"group-id","Value":{"tag":1,"content":"sg-<~sg>"}}}}"#),
        read("ec2", "DescribeVpcAttribute", r#"{"vpcId":"vpc-<=vpc>","attribute":"enableDnsSupport"}"#),
        read("ec2", "DescribeRouteTables", r#"{"routeTableIdSet":{"items":[{"routeTableId":"rtb-<=rtb>"}]},"filterSet":{}}"#),
        read("lambda", "GetFunction20150331v2", r#"{"functionName":"<app>-handler"}"#),
        read("lambda", "GetPolicy20150331v2", r#"{"functionName":"<app>-handler"}"#),
        read("lambda", "ListVersionsByFunction20150331", r#"{"functionName":"<app>-handler","maxItems":50}"#),
        read("s3", "GetBucketPolicy", r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","policy":""}"#),
        read("s3", "GetBucketVersioning", r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","versioning":""}"#),
        read("s3", "GetBucketLifecycle", r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","lifecycle":""}"#),
        read("dynamodb", "DescribeTable", r#"{"tableName":"<app>-<env>"}"#),
        read("dynamodb", "DescribeContinuousBackups", r#"{"tableName":"<app>-<env>"}"#),
        read("sqs", "GetQueueAttributes", r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-jobs","attributeNames":["All"]}"#),
        read("sns", "GetTopicAttributes", r#"{"topicArn":"arn:aws:sns:<region>:<account>:<app>-events"}"#),
        read("logs", "DescribeLogGroups", r#"{"logGroupNamePrefix":"/ecs/<app>-<env>"}"#),
        read("kms", "DescribeKey", r#"{"keyId":"<@key>"}"#),
        read("kms", "GetKeyPolicy", r#"{"keyId":"<@key>","policyName":"default"}"#),
        read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"],"include":["TAGS"]}"#),
        read("ecs", "DescribeTaskDefinition", r#"{"taskDefinition":"<app>","include":["TAGS"]}"#),
        read("elasticloadbalancing", "DescribeTargetGroups", r#"{"names":["<app>-<env>"]}"#),
        read("elasticloadbalancing", "DescribeListeners", r#"{"listenerArns":["arn:aws:elasticloadbalancing:<region>:<account>:listener/app/<app>-<env>/<hex:16>/<hex:16>"]}"#),
        read("rds", "DescribeDBInstances", r#"{"dBInstanceIdentifier":"<app>-<env>"}"#),
        read("secretsmanager", "DescribeSecret", r#"{"secretId":"<env>/<app>/database"}"#),
        read("monitoring", "DescribeAlarms", r#"{"alarmNames":["<app>-<env>-errors"]}"#),
        read("events", "DescribeRule", r#"{"name":"<app>-schedule"}"#),
        read("ssm", "GetParameter", r#"{"name":"/<env>/<app>/image-tag","withDecryption":true}"#),
    ]),
    some(280.0, Who::Pipeline, WORK, 24, &[
        read("iam", "GetRole", r#"{"roleName":"<app>-task"}"#),
        read("iam", "GetRole", r#"{"roleName":"<app>-handler"}"#),
        read("iam", "ListRolePolicies", r#"{"roleName":"<app>-task"}"#),
        read("iam", "GetRolePolicy", r#"{"roleName":"<app>-task","policyName":"<app>-access"}"#),
        read("iam", "ListAttachedRolePolicies", r#"{"roleName":"<app>-task"}"#),
        read("iam", "GetPolicy", r#"{"policyArn":"arn:aws:iam::<account>:policy/<team>-boundary"}"#),
        read("iam", "GetPolicyVersion", r#"{"policyArn":"arn:aws:iam::<account>:policy/<team>-boundary","versionId":"v<num:1>"}"#),
        read("iam", "GetInstanceProfile", r#"{"instanceProfileName":"<app>-instance"}"#),
        read("route53", "ListResourceRecordSets", r#"{"id":"Z<hex:16>","name":"<app>.example.com","type":"A","maxItems":"1"}"#),
        read("cloudfront", "GetDistribution", r#"{"id":"E<hex:13>"}"#),
    ]),
    some(120.0, Who::Pipeline, WORK, 5, &[
        read("cloudformation", "DescribeStacks", r#"{"stackName":"<app>-<env>"}"#),
        read("cloudformation", "GetTemplate", r#"{"stackName":"<app>-<env>","templateStage":"Original"}"#),
        read("cloudformation", "DescribeStackEvents", r#"{"stackName":"<app>-<env>"}"#),
        read("cloudformation", "ListStackResources", r#"{"stackName":"<app>-<env>"}"#),
    ]),
];

const FUNCTION: &str = r#"{"functionName":"<app>-handler","functionArn":"arn:aws:lambda:<region>:<account>:function:<app>-handler","runtime":"python3.12","role":"arn:aws:iam::<account>:role/<app>-handler","handler":"app.handler","codeSize":<count:6>,"description":"","timeout":30,"memorySize":512,"lastModified":"<now>","codeSha256":"<text:43>=","version":"$LATEST","environment":{},"tracingConfig":{"mode":"Active"},"revisionId":"<uuid>","state":"Active","lastUpdateStatus":"InProgress","packageType":"Zip","architectures":["arm64"],"ephemeralStorage":{"size":512}}"#;
const STACK: &str =
    r#"{"stackId":"arn:aws:cloudformation:<region>:<account>:stack/<app>-<env>/<@stack>"}"#;

/// What is deployed. Shares: our assumption; a team deploys a few times a day.
pub(super) const DEPLOYING: &[Doing] = &[
    in_order(
        60.0,
        Who::Pipeline,
        WORK,
        &[
            change(
                "lambda",
                "UpdateFunctionCode20150331v2",
                r#"{"functionName":"<app>-handler","s3Bucket":"example-artifacts-<region>","s3Key":"<app>/<hex:40>.zip","publish":false,"dryRun":false}"#,
                FUNCTION,
            ),
            read(
                "lambda",
                "GetFunctionConfiguration20150331v2",
                r#"{"functionName":"<app>-handler"}"#,
            ),
            change(
                "lambda",
                "PublishVersion20150331",
                r#"{"functionName":"<app>-handler"}"#,
                FUNCTION,
            ),
            change(
                "lambda",
                "UpdateAlias20150331",
                r#"{"functionName":"<app>-handler","name":"live","functionVersion":"<num:2>"}"#,
                r#"{"aliasArn":"arn:aws:lambda:<region>:<account>:function:<app>-handler:live","name":"live","functionVersion":"<num:2>","description":"","revisionId":"<uuid>"}"#,
            ),
        ],
    ),
    in_order(
        15.0,
        Who::Pipeline,
        WORK,
        &[change(
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            r#"{"functionName":"<app>-handler","timeout":30,"memorySize":512,"environment":{}}"#,
            FUNCTION,
        )],
    ),
    in_order(
        2.0,
        Who::Pipeline,
        WORK,
        &[
            change(
                "lambda",
                "CreateFunction20150331",
                r#"{"functionName":"<app>-handler","runtime":"python3.12","role":"arn:aws:iam::<account>:role/<app>-handler","handler":"app.handler","code":{"s3Bucket":"example-artifacts-<region>","s3Key":"<app>/<hex:40>.zip"},"timeout":30,"memorySize":512,"publish":false,"environment":{},"tags":{"service":"<app>","environment":"<env>"}}"#,
                FUNCTION,
            ),
            change(
                "lambda",
                "AddPermission20150331v2",
                r#"{"functionName":"<app>-handler","statementId":"AllowInvoke","action":"lambda:InvokeFunction","principal":"<pick:apigateway.amazonaws.com|events.amazonaws.com>","sourceArn":"arn:aws:execute-api:<region>:<account>:<=api>/*/*"}"#,
                r#"{"statement":"{\"Sid\":\"AllowInvoke\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"apigateway.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"arn:aws:lambda:<region>:<account>:function:<app>-handler\"}"}"#,
            ),
        ],
    ),
    in_order(
        0.8,
        Who::Pipeline,
        WORK,
        &[change(
            "lambda",
            "CreateEventSourceMapping20150331",
            r#"{"eventSourceArn":"arn:aws:sqs:<region>:<account>:<app>-jobs","functionName":"<app>-handler","enabled":true,"batchSize":10}"#,
            r#"{"uUID":"<uuid>","batchSize":10,"eventSourceArn":"arn:aws:sqs:<region>:<account>:<app>-jobs","functionArn":"arn:aws:lambda:<region>:<account>:function:<app>-handler","state":"Creating"}"#,
        )],
    ),
    in_order(
        90.0,
        Who::Pipeline,
        WORK,
        &[
            change(
                "ecs",
                "RegisterTaskDefinition",
                r#"{"family":"<app>","taskRoleArn":"arn:aws:iam::<account>:role/<app>-task","executionRoleArn":"arn:aws:iam::<account>:role/<team>-execution","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"cpu":"512","memory":"1024","containerDefinitions":[{"name":"<app>","image":"<shared>.dkr.ecr.<region>.amazonaws.com/<app>:main-<hex:7>","essential":true,"portMappings":[{"containerPort":8080,"protocol":"tcp"}],"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"/ecs/<app>-<env>","awslogs-region":"<region>","awslogs-stream-prefix":"ecs"}}}]}"#,
                r#"{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:<region>:<account>:task-definition/<app>:<num:3>","family":"<app>","revision":<pick:118|241|366>,"status":"ACTIVE","registeredBy":"<me>"}}"#,
            ),
            change(
                "ecs",
                "UpdateService",
                r#"{"cluster":"<team>-<env>","service":"<app>","taskDefinition":"arn:aws:ecs:<region>:<account>:task-definition/<app>:<num:3>","forceNewDeployment":false}"#,
                r#"{"service":{"serviceArn":"arn:aws:ecs:<region>:<account>:service/<team>-<env>/<app>","serviceName":"<app>","status":"ACTIVE","desiredCount":4,"runningCount":4,"pendingCount":0,"launchType":"FARGATE","enableExecuteCommand":false}}"#,
            ),
            read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"]}"#),
            read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"]}"#),
            read("ecs", "DescribeServices", r#"{"cluster":"<team>-<env>","services":["<app>"]}"#),
        ],
    ),
    // Migrations and other jobs of a deployment.
    in_order(
        25.0,
        Who::Pipeline,
        WORK,
        &[change(
            "ecs",
            "RunTask",
            r#"{"cluster":"<team>-<env>","taskDefinition":"<app>-migrate","launchType":"FARGATE","count":1,"networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-<=subnet>"],"securityGroups":["sg-<~sg>"],"assignPublicIp":"DISABLED"}}}"#,
            r#"{"tasks":[{"taskArn":"arn:aws:ecs:<region>:<account>:task/<team>-<env>/<hex:32>","lastStatus":"PROVISIONING","desiredStatus":"RUNNING","launchType":"FARGATE"}],"failures":[]}"#,
        )],
    ),
    in_order(
        110.0,
        Who::Pipeline,
        Place::Shared,
        &[
            read("ecr", "GetAuthorizationToken", "null"),
            read(
                "ecr",
                "BatchCheckLayerAvailability",
                r#"{"repositoryName":"<app>","registryId":"<account>","layerDigests":["sha256:<hex:64>"]}"#,
            ),
            change(
                "ecr",
                "InitiateLayerUpload",
                r#"{"repositoryName":"<app>","registryId":"<account>"}"#,
                r#"{"uploadId":"<new-uuid>","partSize":10485760}"#,
            ),
            change(
                "ecr",
                "UploadLayerPart",
                r#"{"repositoryName":"<app>","registryId":"<account>","uploadId":"<new-uuid>","partFirstByte":0,"partLastByte":<count:6>,"layerPartBlob":{}}"#,
                r#"{"uploadId":"<new-uuid>","repositoryName":"<app>","registryId":"<account>","lastByteReceived":<pick:481233|1833920>}"#,
            ),
            change(
                "ecr",
                "CompleteLayerUpload",
                r#"{"repositoryName":"<app>","registryId":"<account>","uploadId":"<new-uuid>","layerDigests":["sha256:<hex:64>"]}"#,
                r#"{"uploadId":"<new-uuid>","repositoryName":"<app>","registryId":"<account>","layerDigest":"sha256:<hex:64>"}"#,
            ),
            change(
                "ecr",
                "PutImage",
                r#"{"repositoryName":"<app>","registryId":"<account>","imageTag":"main-<hex:7>","imageManifestMediaType":"application/vnd.docker.distribution.manifest.v2+json"}"#,
                r#"{"image":{"repositoryName":"<app>","registryId":"<account>","imageId":{"imageDigest":"sha256:<hex:64>","imageTag":"main"}}}"#,
            ),
        ],
    ),
    in_order(
        40.0,
        Who::Pipeline,
        WORK,
        &[
            change(
                "cloudformation",
                "CreateChangeSet",
                r#"{"stackName":"<app>-<env>","changeSetName":"deploy-<hex:8>","changeSetType":"UPDATE","capabilities":["CAPABILITY_NAMED_IAM"],"templateURL":"https://s3.<region>.amazonaws.com/cdk-hnb659fds-assets-<account>-<region>/<hex:64>.json","roleARN":"arn:aws:iam::<account>:role/cdk-hnb659fds-cfn-exec-role-<account>-<region>"}"#,
                STACK,
            ),
            read(
                "cloudformation",
                "DescribeChangeSet",
                r#"{"stackName":"<app>-<env>","changeSetName":"deploy-<hex:8>"}"#,
            ),
            change(
                "cloudformation",
                "ExecuteChangeSet",
                r#"{"stackName":"<app>-<env>","changeSetName":"deploy-<hex:8>","clientRequestToken":"<uuid>"}"#,
                "null",
            ),
            read("cloudformation", "DescribeStackEvents", r#"{"stackName":"<app>-<env>"}"#),
            read("cloudformation", "DescribeStacks", r#"{"stackName":"<app>-<env>"}"#),
        ],
    ),
    in_order(
        3.0,
        Who::Pipeline,
        DEV,
        &[change(
            "cloudformation",
            "CreateStack",
            r#"{"stackName":"<app>-preview-<num:4>","capabilities":["CAPABILITY_IAM"],"templateURL":"https://s3.<region>.amazonaws.com/example-artifacts-<region>/<app>/preview.json","parameters":[{"parameterKey":"Branch","parameterValue":"HIDDEN_DUE_TO_SECURITY_REASONS"}]}"#,
            STACK,
        )],
    ),
    // A preview goes, with everything in it.
    in_order(
        3.0,
        Who::Pipeline,
        DEV,
        &[change(
            "cloudformation",
            "DeleteStack",
            r#"{"stackName":"<app>-preview-<num:4>","clientRequestToken":"<uuid>"}"#,
            "null",
        )],
    ),
    in_order(
        3.0,
        Who::Stack,
        DEV,
        &[
            change(
                "lambda",
                "DeleteFunction20150331",
                r#"{"functionName":"<app>-preview-handler"}"#,
                "null",
            ),
            change(
                "events",
                "RemoveTargets",
                r#"{"rule":"<app>-preview-schedule","ids":["handler"]}"#,
                r#"{"failedEntryCount":0,"failedEntries":[]}"#,
            ),
            change("events", "DeleteRule", r#"{"name":"<app>-preview-schedule"}"#, "null"),
            change(
                "sqs",
                "DeleteQueue",
                r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-preview-jobs"}"#,
                "null",
            ),
            change(
                "logs",
                "DeleteLogGroup",
                r#"{"logGroupName":"/aws/lambda/<app>-preview-handler"}"#,
                "null",
            ),
        ],
    ),
    in_order(
        18.0,
        Who::Pipeline,
        WORK,
        &[change(
            "elasticloadbalancing",
            "ModifyListener",
            r#"{"listenerArn":"arn:aws:elasticloadbalancing:<region>:<account>:listener/app/<app>-<env>/<hex:16>/<hex:16>","defaultActions":[{"type":"forward","targetGroupArn":"arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<app>-<env>-<pick:blue|green>/<hex:16>"}]}"#,
            r#"{"listeners":[{"listenerArn":"arn:aws:elasticloadbalancing:<region>:<account>:listener/app/<app>-<env>/<hex:16>/<hex:16>","port":443,"protocol":"HTTPS"}]}"#,
        )],
    ),
    in_order(
        20.0,
        Who::Pipeline,
        Place::Production,
        &[change(
            "cloudfront",
            "CreateInvalidation",
            r#"{"distributionId":"E<hex:13>","invalidationBatch":{"callerReference":"<uuid>","paths":{"quantity":1,"items":["/*"]}}}"#,
            r#"{"invalidation":{"id":"I<hex:13>","status":"InProgress","createTime":"<said>"}}"#,
        )],
    ),
    in_order(
        12.0,
        Who::Pipeline,
        WORK,
        &[change(
            "route53",
            "ChangeResourceRecordSets",
            r#"{"hostedZoneId":"Z<hex:16>","changeBatch":{"changes":[{"action":"UPSERT","resourceRecordSet":{"name":"<app>.<env>.example.com","type":"CNAME","tTL":60,"resourceRecords":[{"value":"<app>-<env>.<region>.elb.amazonaws.com"}]}}]}}"#,
            r#"{"changeInfo":{"id":"/change/C<hex:16>","status":"PENDING","submittedAt":"<said>"}}"#,
        )],
    ),
];
