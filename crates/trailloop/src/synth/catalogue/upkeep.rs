//! The administrative life, continued: upkeep of what runs, and the organization itself.

use crate::synth::act::{Doing, Place, Set, Who, change, event, in_order, read};

const WORK: Place = Place::Workloads;
const DEV: Place = Place::Development;
const PROD: Place = Place::Production;
const MANAGEMENT: Place = Place::Management;
const OK: &str = r#"{"requestId":"<uuid>","_return":true}"#;
const ADMIN: Who = Who::Console(Set::Administrator);

/// What is kept up. Shares: our assumption.
pub(super) const UPKEEP: &[Doing] = &[
    in_order(2.0, Who::Pipeline, WORK, &[change("rds", "ModifyDBInstance", r#"{"dBInstanceIdentifier":"<app>-<env>","dBInstanceClass":"<pick:db.r6g.large|db.m6g.large>","applyImmediately":false,"allowMajorVersionUpgrade":false}"#, r#"{"dBInstanceIdentifier":"<app>-<env>","dBInstanceStatus":"available","engine":"postgres","publiclyAccessible":false,"storageEncrypted":true,"deletionProtection":true}"#)]),
    in_order(0.3, Who::Pipeline, WORK, &[change("rds", "CreateDBInstance", r#"{"dBInstanceIdentifier":"<app>-<env>","engine":"postgres","dBInstanceClass":"db.m6g.large","allocatedStorage":100,"masterUsername":"owner","masterUserPassword":"****","manageMasterUserPassword":false,"publiclyAccessible":false,"storageEncrypted":true,"deletionProtection":true,"backupRetentionPeriod":14}"#, r#"{"dBInstanceIdentifier":"<app>-<env>","dBInstanceStatus":"creating","engine":"postgres","publiclyAccessible":false,"storageEncrypted":true,"deletionProtection":true}"#)]),
    in_order(0.3, Who::Stack, DEV, &[change("rds", "DeleteDBInstance", r#"{"dBInstanceIdentifier":"<app>-preview","skipFinalSnapshot":true,"deleteAutomatedBackups":true}"#, r#"{"dBInstanceIdentifier":"<app>-preview","dBInstanceStatus":"deleting","engine":"postgres"}"#)]),
    in_order(0.6, Who::Pipeline, WORK, &[change("dynamodb", "CreateTable", r#"{"tableName":"<app>-<env>","billingMode":"PAY_PER_REQUEST","attributeDefinitions":[{"attributeName":"pk","attributeType":"S"}],"keySchema":[{"attributeName":"pk","keyType":"HASH"}],"sSESpecification":{"enabled":true,"sSEType":"KMS"}}"#, r#"{"tableDescription":{"tableName":"<app>-<env>","tableStatus":"CREATING","tableArn":"arn:aws:dynamodb:<region>:<account>:table/<app>-<env>"}}"#)]),
    in_order(0.3, Who::Stack, DEV, &[change("dynamodb", "DeleteTable", r#"{"tableName":"<app>-preview"}"#, r#"{"tableDescription":{"tableName":"<app>-preview","tableStatus":"DELETING"}}"#)]),
    in_order(1.0, Who::Pipeline, WORK, &[change("sqs", "CreateQueue", r#"{"queueName":"<app>-jobs","attributes":{"SqsManagedSseEnabled":"true","VisibilityTimeout":"60"}}"#, r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-jobs"}"#)]),
    in_order(2.0, Who::Pipeline, WORK, &[change("sqs", "SetQueueAttributes", r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-jobs","attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:<region>:<account>:<app>-dead\",\"maxReceiveCount\":5}"}}"#, "null")]),
    in_order(0.1, Who::Console(Set::PowerUser), WORK, &[change("sqs", "PurgeQueue", r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-dead"}"#, "null")]),
    in_order(0.6, Who::Pipeline, WORK, &[
        change("sns", "CreateTopic", r#"{"name":"<app>-events"}"#, r#"{"topicArn":"arn:aws:sns:<region>:<account>:<app>-events"}"#),
        change("sns", "Subscribe", r#"{"topicArn":"arn:aws:sns:<region>:<account>:<app>-events","protocol":"sqs","endpoint":"HIDDEN_DUE_TO_SECURITY_REASONS","returnSubscriptionArn":true}"#, r#"{"subscriptionArn":"arn:aws:sns:<region>:<account>:<app>-events:<uuid>"}"#),
    ]),
    in_order(6.0, Who::Pipeline, WORK, &[
        change("logs", "CreateLogGroup", r#"{"logGroupName":"/ecs/<app>-<env>"}"#, "null"),
        change("logs", "PutRetentionPolicy", r#"{"logGroupName":"/ecs/<app>-<env>","retentionInDays":<pick:14|30|90>}"#, "null"),
    ]),
    in_order(1.5, Who::Pipeline, WORK, &[change("logs", "PutSubscriptionFilter", r#"{"logGroupName":"/ecs/<app>-<env>","filterName":"central","filterPattern":"","destinationArn":"arn:aws:logs:<region>:<log-archive>:destination:central"}"#, "null")]),
    in_order(12.0, Who::Pipeline, WORK, &[change("monitoring", "PutMetricAlarm", r#"{"alarmName":"<app>-<env>-errors","metricName":"5XXError","namespace":"AWS/ApplicationELB","statistic":"Sum","period":60,"evaluationPeriods":5,"threshold":10.0,"comparisonOperator":"GreaterThanThreshold","alarmActions":["arn:aws:sns:<region>:<account>:<team>-alarms"]}"#, "null")]),
    in_order(5.0, Who::Pipeline, WORK, &[change("monitoring", "DeleteAlarms", r#"{"alarmNames":["<app>-<env>-<pick:errors|latency|depth>"]}"#, "null")]),
    in_order(1.0, Who::Pipeline, PROD, &[
        change("monitoring", "DisableAlarmActions", r#"{"alarmNames":["<app>-<env>-errors"]}"#, "null"),
        change("monitoring", "EnableAlarmActions", r#"{"alarmNames":["<app>-<env>-errors"]}"#, "null"),
    ]),
    in_order(3.0, Who::Pipeline, WORK, &[
        change("events", "PutRule", r#"{"name":"<app>-schedule","scheduleExpression":"rate(<pick:5|15|60> minutes)","state":"ENABLED"}"#, r#"{"ruleArn":"arn:aws:events:<region>:<account>:rule/<app>-schedule"}"#),
        change("events", "PutTargets", r#"{"rule":"<app>-schedule","targets":[{"id":"handler","arn":"arn:aws:lambda:<region>:<account>:function:<app>-handler"}]}"#, r#"{"failedEntryCount":0,"failedEntries":[]}"#),
    ]),
    in_order(0.8, Who::Console(Set::PowerUser), DEV, &[change("events", "DisableRule", r#"{"name":"<app>-schedule"}"#, "null")]),
    in_order(0.6, Who::Console(Set::PowerUser), DEV, &[change("events", "EnableRule", r#"{"name":"<app>-schedule"}"#, "null")]),
    // Secrets rotate: the service tells, and a function does it.
    in_order(4.0, Who::Told("secretsmanager.amazonaws.com"), WORK, &[
        event("secretsmanager", "RotationStarted", "AwsServiceEvent", r#"{"rotationArn":"arn:aws:lambda:<region>:<account>:function:rotate-database"}"#).adds(r#"{"SecretId":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3"}"#),
        event("secretsmanager", "RotationSucceeded", "AwsServiceEvent", "").adds(r#"{"SecretId":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3"}"#),
    ]),
    in_order(4.0, Who::Function, WORK, &[
        read("secretsmanager", "DescribeSecret", r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3"}"#),
        read("secretsmanager", "GetRandomPassword", r#"{"passwordLength":32,"excludeCharacters":"/@\"'\\"}"#),
        change("secretsmanager", "PutSecretValue", r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3","clientRequestToken":"<new-uuid>","versionStages":["AWSPENDING"]}"#, r#"{"arn":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3"}"#),
        change("secretsmanager", "UpdateSecretVersionStage", r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3","versionStage":"AWSCURRENT","moveToVersionId":"<new-uuid>","removeFromVersionId":"<uuid>"}"#, r#"{"arn":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/database-a1B2c3"}"#),
    ]),
    in_order(1.2, Who::Pipeline, WORK, &[change("secretsmanager", "CreateSecret", r#"{"name":"<env>/<app>/<pick:database|token|webhook>","clientRequestToken":"<new-uuid>"}"#, r#"{"arn":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/token-x9Y8z7"}"#)]),
    in_order(0.4, Who::Pipeline, DEV, &[change("secretsmanager", "DeleteSecret", r#"{"secretId":"<env>/<app>/token","recoveryWindowInDays":7,"forceDeleteWithoutRecovery":false}"#, r#"{"arn":"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/token-x9Y8z7","deletionDate":"<said>"}"#)]),
    in_order(8.0, Who::Pipeline, WORK, &[change("ssm", "PutParameter", r#"{"name":"/<env>/<app>/image-tag","value":"HIDDEN_DUE_TO_SECURITY_REASONS","type":"String","overwrite":true}"#, r#"{"version":<pick:14|88|203>,"tier":"Standard"}"#)]),
    in_order(0.5, Who::Pipeline, WORK, &[change("ssm", "DeleteParameter", r#"{"name":"/<env>/<app>/old-flag"}"#, "null")]),
    // Patching by a maintenance window; a person runs a command now and then.
    in_order(6.0, Who::Linked("AmazonSSM", "MaintenanceWindow", "ssm.amazonaws.com"), WORK, &[change("ssm", "SendCommand", r#"{"documentName":"AWS-RunPatchBaseline","targets":[{"key":"tag:patch","values":["<pick:weekly|monthly>"]}],"parameters":"HIDDEN_DUE_TO_SECURITY_REASONS","maxConcurrency":"10%","maxErrors":"5%","timeoutSeconds":600}"#, r#"{"command":{"commandId":"<uuid>","documentName":"AWS-RunPatchBaseline","status":"Pending","parameters":"HIDDEN_DUE_TO_SECURITY_REASONS"}}"#)]),
    in_order(0.3, Who::Cli(Set::PowerUser), WORK, &[change("ssm", "SendCommand", r#"{"documentName":"AWS-RunShellScript","instanceIds":["i-<~i>"],"parameters":"HIDDEN_DUE_TO_SECURITY_REASONS","interactive":false}"#, r#"{"command":{"commandId":"<uuid>","documentName":"AWS-RunShellScript","instanceIds":["i-<~i>"],"status":"Pending","parameters":"HIDDEN_DUE_TO_SECURITY_REASONS"}}"#)]),
    in_order(0.5, Who::Pipeline, WORK, &[change("elasticloadbalancing", "CreateLoadBalancer", r#"{"name":"<app>-<env>","scheme":"<pick:internal|internet-facing>","type":"application","subnets":["subnet-<=subnet>"],"securityGroups":["sg-<=balancer>"]}"#, r#"{"loadBalancers":[{"loadBalancerArn":"arn:aws:elasticloadbalancing:<region>:<account>:loadbalancer/app/<app>-<env>/<hex:16>","state":{"code":"provisioning"},"type":"application"}]}"#)]),
    in_order(0.4, Who::Pipeline, PROD, &[change("cloudfront", "UpdateDistribution", r#"{"id":"E<hex:13>","ifMatch":"E<hex:13>","distributionConfig":{"callerReference":"<team>","enabled":true,"comment":"<team>","priceClass":"PriceClass_100"}}"#, r#"{"distribution":{"id":"E<hex:13>","status":"InProgress","aRN":"arn:aws:cloudfront::<account>:distribution/E<hex:13>"}}"#)]),
    in_order(0.4, Who::Pipeline, WORK, &[change("acm", "RequestCertificate", r#"{"domainName":"<app>.<env>.example.com","validationMethod":"DNS","idempotencyToken":"<hex:16>"}"#, r#"{"certificateArn":"arn:aws:acm:<region>:<account>:certificate/<uuid>"}"#)]),
    in_order(1.0, Who::Pipeline, Place::Shared, &[
        change("ec2", "CreateImage", r#"{"instanceId":"i-<~i>","name":"base-<stamp>","noReboot":false}"#, r#"{"requestId":"<uuid>","imageId":"ami-<new>"}"#),
        change("ec2", "ModifyImageAttribute", r#"{"imageId":"ami-<new>","attributeType":"launchPermission","launchPermission":{"add":{"items":[{"userId":"<peer>"},{"userId":"<peer>"}]}}}"#, OK),
        change("ec2", "DeregisterImage", r#"{"imageId":"ami-<~ami>"}"#, OK),
    ]),
    in_order(0.3, Who::Pipeline, Place::Shared, &[change("ecr", "CreateRepository", r#"{"repositoryName":"<app>","imageScanningConfiguration":{"scanOnPush":true},"imageTagMutability":"IMMUTABLE"}"#, r#"{"repository":{"repositoryArn":"arn:aws:ecr:<region>:<account>:repository/<app>","registryId":"<account>","repositoryName":"<app>"}}"#)]),
    in_order(0.2, Who::Pipeline, WORK, &[change("ec2", "CreateRoute", r#"{"routeTableId":"rtb-<=rtb>","destinationCidrBlock":"10.<count:2>.0.0/16","transitGatewayId":"tgw-<new>"}"#, OK)]),
    in_order(0.2, Who::Console(Set::PowerUser), DEV, &[change("ec2-instance-connect", "SendSSHPublicKey", r#"{"instanceId":"i-<~i>","instanceOSUser":"ec2-user","sSHPublicKey":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5EXAMPLE<text:40>","availabilityZone":"<region>a"}"#, r#"{"requestId":"<uuid>","success":true}"#)]),
    in_order(0.2, ADMIN, WORK, &[change("servicequotas", "RequestServiceQuotaIncrease", r#"{"serviceCode":"<pick:lambda|ec2|vpc>","quotaCode":"L-<pick:B99A9384|1216C47A|F678F1CE>","desiredValue":<pick:2000|512|10>}"#, r#"{"requestedQuota":{"id":"<hex:40>","status":"PENDING","requester":"HIDDEN_DUE_TO_SECURITY_REASONS"}}"#)]),
];

/// What is done to the organization itself. Shares: our assumption; an account comes every three weeks, access is
/// assigned once a day, keys of the two users rotate twice a year.
pub(super) const ORGANIZATION: &[Doing] = &[
    in_order(
        0.05,
        Who::Vending,
        MANAGEMENT,
        &[
            change(
                "organizations",
                "CreateAccount",
                r#"{"accountName":"HIDDEN_DUE_TO_SECURITY_REASONS","email":"HIDDEN_DUE_TO_SECURITY_REASONS","roleName":"AWSControlTowerExecution"}"#,
                r#"{"createAccountStatus":{"id":"car-<hex:32>","state":"IN_PROGRESS","accountName":"HIDDEN_DUE_TO_SECURITY_REASONS","requestedTimestamp":"<said>"}}"#,
            ),
            read(
                "organizations",
                "DescribeCreateAccountStatus",
                r#"{"createAccountRequestId":"car-<hex:32>"}"#,
            ),
            change(
                "organizations",
                "MoveAccount",
                r#"{"accountId":"<peer>","sourceParentId":"r-exam","destinationParentId":"ou-exam-<hex:8>"}"#,
                "null",
            ),
            change(
                "sso",
                "CreateAccountAssignment",
                r#"{"instanceArn":"arn:aws:sso:::instance/ssoins-0123456789abcdef","permissionSetArn":"arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-<hex:16>","targetId":"<peer>","targetType":"AWS_ACCOUNT","principalType":"GROUP","principalId":"<uuid>"}"#,
                r#"{"accountAssignmentCreationStatus":{"requestId":"<uuid>","status":"IN_PROGRESS"}}"#,
            ),
        ],
    ),
    // A new account gets a network, after the one it came with is gone.
    in_order(
        0.05,
        Who::Vending,
        WORK,
        &[
            change("ec2", "DeleteSubnet", r#"{"subnetId":"subnet-<=default>"}"#, OK),
            change(
                "ec2",
                "DetachInternetGateway",
                r#"{"internetGatewayId":"igw-<=default>","vpcId":"vpc-<=default>"}"#,
                OK,
            ),
            change("ec2", "DeleteInternetGateway", r#"{"internetGatewayId":"igw-<=default>"}"#, OK),
            change("ec2", "DeleteVpc", r#"{"vpcId":"vpc-<=default>"}"#, OK),
            change(
                "ec2",
                "CreateVpc",
                r#"{"cidrBlock":"10.<count:2>.0.0/16","instanceTenancy":"default","amazonProvidedIpv6CidrBlock":false}"#,
                r#"{"requestId":"<uuid>","vpc":{"vpcId":"vpc-<new>","state":"pending","ownerId":"<account>","isDefault":false}}"#,
            ),
            change(
                "ec2",
                "CreateSubnet",
                r#"{"vpcId":"vpc-<new>","cidrBlock":"10.0.1.0/24","availabilityZone":"<region>a"}"#,
                r#"{"requestId":"<uuid>","subnet":{"subnetId":"subnet-<new>","state":"available","vpcId":"vpc-<new>"}}"#,
            ),
            change(
                "ec2",
                "CreateSubnet",
                r#"{"vpcId":"vpc-<new>","cidrBlock":"10.0.2.0/24","availabilityZone":"<region>b"}"#,
                r#"{"requestId":"<uuid>","subnet":{"subnetId":"subnet-<new>","state":"available","vpcId":"vpc-<new>"}}"#,
            ),
            change(
                "ec2",
                "CreateInternetGateway",
                "{}",
                r#"{"requestId":"<uuid>","internetGateway":{"internetGatewayId":"igw-<new>","attachmentSet":{},"ownerId":"<account>"}}"#,
            ),
            change(
                "ec2",
                "AttachInternetGateway",
                r#"{"internetGatewayId":"igw-<new>","vpcId":"vpc-<new>"}"#,
                OK,
            ),
            change(
                "ec2",
                "CreateRouteTable",
                r#"{"vpcId":"vpc-<new>"}"#,
                r#"{"requestId":"<uuid>","routeTable":{"routeTableId":"rtb-<new>","vpcId":"vpc-<new>","ownerId":"<account>"}}"#,
            ),
            change(
                "ec2",
                "CreateRoute",
                r#"{"routeTableId":"rtb-<new>","destinationCidrBlock":"0.0.0.0/0","gatewayId":"igw-<new>"}"#,
                OK,
            ),
            change(
                "ec2",
                "AssociateRouteTable",
                r#"{"routeTableId":"rtb-<new>","subnetId":"subnet-<new>"}"#,
                r#"{"requestId":"<uuid>","associationId":"rtbassoc-<new>"}"#,
            ),
            change(
                "ec2",
                "CreateFlowLogs",
                r#"{"CreateFlowLogsRequest":{"ResourceType":"VPC","TrafficType":"ALL","LogDestinationType":"s3","LogDestination":"arn:aws:s3:::example-flow-logs","ResourceId":{"tag":1,"content":"vpc-<new>"}}}"#,
                r#"{"CreateFlowLogsResponse":{"requestId":"<uuid>","flowLogIdSet":{"item":"fl-<new>"},"unsuccessful":""}}"#,
            ),
            change(
                "config",
                "PutConfigurationRecorder",
                r#"{"configurationRecorder":{"name":"default","roleARN":"arn:aws:iam::<account>:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig","recordingGroup":{"allSupported":true,"includeGlobalResourceTypes":false}}}"#,
                "null",
            ),
            change(
                "config",
                "StartConfigurationRecorder",
                r#"{"configurationRecorderName":"default"}"#,
                "null",
            ),
        ],
    ),
    in_order(
        0.05,
        Who::Vending,
        WORK,
        &[
            change(
                "iam",
                "CreateOpenIDConnectProvider",
                r#"{"url":"https://token.actions.githubusercontent.com","clientIDList":["sts.amazonaws.com"],"thumbprintList":["<hex:40>"]}"#,
                r#"{"openIDConnectProviderArn":"arn:aws:iam::<account>:oidc-provider/token.actions.githubusercontent.com"}"#,
            ),
            change(
                "iam",
                "CreateRole",
                r#"{"roleName":"<team>-deploy","maxSessionDuration":3600,"assumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Federated\":\"arn:aws:iam::<account>:oidc-provider/token.actions.githubusercontent.com\"},\"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Condition\":{\"StringEquals\":{\"token.actions.githubusercontent.com:aud\":\"sts.amazonaws.com\"},\"StringLike\":{\"token.actions.githubusercontent.com:sub\":\"repo:example-org/<team>-*:*\"}}}]}"}"#,
                "null",
            ),
            change(
                "iam",
                "AttachRolePolicy",
                r#"{"roleName":"<team>-deploy","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#,
                "null",
            ),
            change(
                "iam",
                "CreateRole",
                r#"{"roleName":"posture-scanner-readonly","assumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::<vendor>:root\"},\"Action\":\"sts:AssumeRole\",\"Condition\":{\"StringEquals\":{\"sts:ExternalId\":\"<=external-id>\"}}}]}"}"#,
                "null",
            ),
            change(
                "iam",
                "AttachRolePolicy",
                r#"{"roleName":"posture-scanner-readonly","policyArn":"arn:aws:iam::aws:policy/SecurityAudit"}"#,
                "null",
            ),
        ],
    ),
    in_order(
        1.0,
        Who::Vending,
        MANAGEMENT,
        &[change(
            "sso",
            "CreateAccountAssignment",
            r#"{"instanceArn":"arn:aws:sso:::instance/ssoins-0123456789abcdef","permissionSetArn":"arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-<hex:16>","targetId":"<peer>","targetType":"AWS_ACCOUNT","principalType":"GROUP","principalId":"<uuid>"}"#,
            r#"{"accountAssignmentCreationStatus":{"requestId":"<uuid>","status":"IN_PROGRESS"}}"#,
        )],
    ),
    in_order(
        0.5,
        Who::Vending,
        MANAGEMENT,
        &[change(
            "sso",
            "DeleteAccountAssignment",
            r#"{"instanceArn":"arn:aws:sso:::instance/ssoins-0123456789abcdef","permissionSetArn":"arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-<hex:16>","targetId":"<peer>","targetType":"AWS_ACCOUNT","principalType":"GROUP","principalId":"<uuid>"}"#,
            r#"{"accountAssignmentDeletionStatus":{"requestId":"<uuid>","status":"IN_PROGRESS"}}"#,
        )],
    ),
    in_order(
        0.05,
        Who::Vending,
        MANAGEMENT,
        &[change(
            "organizations",
            "UpdatePolicy",
            r#"{"policyId":"p-<hex:8>","name":"baseline","content":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
            "null",
        )],
    ),
    in_order(
        0.02,
        ADMIN,
        MANAGEMENT,
        &[change(
            "sso",
            "PutInlinePolicyToPermissionSet",
            r#"{"instanceArn":"arn:aws:sso:::instance/ssoins-0123456789abcdef","permissionSetArn":"arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-<hex:16>","inlinePolicy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"support:*\",\"Resource\":\"*\"}]}"}"#,
            "null",
        )],
    ),
    in_order(
        0.012,
        ADMIN,
        PROD,
        &[
            change(
                "iam",
                "CreateAccessKey",
                r#"{"userName":"<pick:legacy-exporter|legacy-mailer>"}"#,
                r#"{"accessKey":{"accessKeyId":"AKIA<num:9>EXAMPLE","status":"Active","userName":"legacy-exporter","createDate":"<said>"}}"#,
            ),
            change(
                "iam",
                "UpdateAccessKey",
                r#"{"userName":"legacy-exporter","status":"Inactive","accessKeyId":"AKIA<num:9>EXAMPLE"}"#,
                "null",
            ),
            change(
                "iam",
                "DeleteAccessKey",
                r#"{"userName":"legacy-exporter","accessKeyId":"AKIA<num:9>EXAMPLE"}"#,
                "null",
            ),
        ],
    ),
    in_order(
        0.01,
        ADMIN,
        PROD,
        &[
            change(
                "iam",
                "CreateUser",
                r#"{"userName":"<app>-partner-feed","tags":[{"key":"owner","value":"<team>"}]}"#,
                r#"{"user":{"path":"/","userName":"<app>-partner-feed","userId":"AIDA<num:10>EXAMPLE","arn":"arn:aws:iam::<account>:user/<app>-partner-feed","createDate":"<said>"}}"#,
            ),
            change(
                "iam",
                "PutUserPolicy",
                r#"{"userName":"<app>-partner-feed","policyName":"upload","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::<app>-<env>-<zone>/partner/*\"}]}"}"#,
                "null",
            ),
            change(
                "iam",
                "CreateAccessKey",
                r#"{"userName":"<app>-partner-feed"}"#,
                r#"{"accessKey":{"accessKeyId":"AKIA<num:9>EXAMPLE","status":"Active","userName":"<app>-partner-feed","createDate":"<said>"}}"#,
            ),
        ],
    ),
    in_order(
        0.03,
        Who::Console(Set::Billing),
        MANAGEMENT,
        &[change(
            "savingsplans",
            "CreateSavingsPlan",
            r#"{"savingsPlanOfferingId":"<uuid>","commitment":"<num:1>.<num:2>","clientToken":"<uuid>"}"#,
            r#"{"savingsPlanId":"<uuid>"}"#,
        )],
    ),
    in_order(
        0.2,
        ADMIN,
        MANAGEMENT,
        &[change(
            "support",
            "CreateCase",
            r#"{"subject":"HIDDEN_DUE_TO_SECURITY_REASONS","communicationBody":"HIDDEN_DUE_TO_SECURITY_REASONS","serviceCode":"<pick:amazon-rds|aws-lambda|account-management>","severityCode":"normal"}"#,
            r#"{"caseId":"case-<account>-<hex:16>"}"#,
        )],
    ),
];
