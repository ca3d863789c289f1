//! The administrative life: what comes, changes and goes.

use crate::synth::act::{Act, Doing, Place, Set, Who, change, event, in_order, read};

const WORK: Place = Place::Workloads;
const DEV: Place = Place::Development;
const OK: &str = r#"{"requestId":"<uuid>","_return":true}"#;

const TRUST: &str = r#"{"roleName":"<app>-<pick:task|handler|job>","assumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"<pick:ecs-tasks|lambda|ec2>.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}","path":"/","maxSessionDuration":3600,"permissionsBoundary":"arn:aws:iam::<account>:policy/<team>-boundary","tags":[{"key":"service","value":"<app>"},{"key":"environment","value":"<env>"}]}"#;
const ROLE: &str = r#"{"role":{"path":"/","roleName":"<app>-task","roleId":"AROA<num:10>EXAMPLE","arn":"arn:aws:iam::<account>:role/<app>-task","createDate":"<said>","assumeRolePolicyDocument":"%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ecs-tasks.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"}}"#;
const NARROW: &str = r#"{"roleName":"<app>-task","policyName":"<app>-access","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:PutObject\"],\"Resource\":\"arn:aws:s3:::<app>-<env>-<zone>/*\"},{\"Effect\":\"Allow\",\"Action\":[\"<pick:sqs:SendMessage|dynamodb:GetItem|dynamodb:Query|sns:Publish>\"],\"Resource\":\"arn:aws:sqs:<region>:<account>:<app>-jobs\"}]}"}"#;
const ATTACH: Act = change(
    "iam",
    "AttachRolePolicy",
    r#"{"roleName":"<app>-task","policyArn":"arn:aws:iam::aws:policy/<pick:service-role/AmazonECSTaskExecutionRolePolicy|service-role/AWSLambdaBasicExecutionRole|service-role/AWSLambdaVPCAccessExecutionRole|AmazonSSMManagedInstanceCore|CloudWatchAgentServerPolicy|AWSXRayDaemonWriteAccess>"}"#,
    "null",
);
const PUT_POLICY: Act = change("iam", "PutRolePolicy", NARROW, "null");

const INSIDE: &str = r#"{"groupId":"sg-<~sg>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":<pick:8080|5432|6379|443>,"toPort":8080,"groups":{},"ipRanges":{"items":[{"cidrIp":"10.<pick:0|16|32>.0.0/16","description":"<team>"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#;
const FROM_GROUP: &str = r#"{"groupId":"sg-<~sg>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":8080,"toPort":8080,"groups":{"items":[{"groupId":"sg-<=balancer>","userId":"<account>"}]},"ipRanges":{},"ipv6Ranges":{},"prefixListIds":{}}]}}"#;
const PUBLIC: &str = r#"{"groupId":"sg-<=balancer>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0","description":"https"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#;
const OFFICE: &str = r#"{"groupId":"sg-<~sg>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":<pick:22|5432|8080>,"toPort":<pick:22|5432|8080>,"groups":{},"ipRanges":{"items":[{"cidrIp":"198.51.100.<pick:1|2>/32","description":"office"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#;
const ALLOWED: &str = r#"{"requestId":"<uuid>","_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"<account>","groupId":"sg-<~sg>","securityGroupRuleId":"sgr-<new>","isEgress":false,"ipProtocol":"tcp"}]}}"#;

const STOPPING: &str = r#"{"requestId":"<uuid>","instancesSet":{"items":[{"instanceId":"i-<~i>","currentState":{"code":64,"name":"stopping"},"previousState":{"code":16,"name":"running"}}]}}"#;
const BUCKET: &str = r#"{"bucketName":"example-<app>-<env>-<new>","Host":"s3.<region>.amazonaws.com","CreateBucketConfiguration":{"LocationConstraint":"<region>","xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"}}"#;
const TLS_ONLY: &str = r#"{"bucketName":"example-<app>-<env>-<new>","Host":"example-<app>-<env>-<new>.s3.<region>.amazonaws.com","policy":"","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Sid":"TlsOnly","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::example-<app>-<env>-<new>","arn:aws:s3:::example-<app>-<env>-<new>/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}}"#;
const BLOCK: &str = r#"{"bucketName":"example-<app>-<env>-<new>","Host":"example-<app>-<env>-<new>.s3.<region>.amazonaws.com","publicAccessBlock":"","PublicAccessBlockConfiguration":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","BlockPublicAcls":true,"IgnorePublicAcls":true,"BlockPublicPolicy":true,"RestrictPublicBuckets":true}}"#;
const ENCRYPT: &str = r#"{"bucketName":"example-<app>-<env>-<new>","Host":"example-<app>-<env>-<new>.s3.<region>.amazonaws.com","encryption":"","ServerSideEncryptionConfiguration":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","Rule":{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"arn:aws:kms:<region>:<account>:key/<@key>"},"BucketKeyEnabled":true}}}"#;
const KEY: &str = r#"[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<@key>"}]"#;
const SNAPSHOT: &str = r#"{"requestId":"<uuid>","snapshotId":"snap-<new>","volumeId":"vol-<~vol>","status":"pending","startTime":<millis>,"progress":"","ownerId":"<account>","volumeSize":100,"encrypted":true}"#;

/// What changes, mostly by pipelines. Shares: our assumption, thought out for a day of eleven teams.
pub(super) const CHANGES: &[Doing] = &[
    in_order(5.0, Who::Pipeline, WORK, &[
        read("iam", "GetRole", r#"{"roleName":"<app>-job"}"#).fails("NoSuchEntityException", "The role cannot be found."),
        change("iam", "CreateRole", TRUST, ROLE),
        PUT_POLICY,
        ATTACH,
    ]),
    in_order(3.0, Who::Stack, WORK, &[change("iam", "CreateRole", TRUST, ROLE), ATTACH, PUT_POLICY]),
    in_order(8.0, Who::Pipeline, WORK, &[PUT_POLICY]),
    in_order(3.0, Who::Pipeline, WORK, &[ATTACH]),
    in_order(2.0, Who::Pipeline, WORK, &[change("iam", "DetachRolePolicy", r#"{"roleName":"<app>-task","policyArn":"arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"}"#, "null")]),
    in_order(4.0, Who::Pipeline, WORK, &[
        read("iam", "ListPolicyVersions", r#"{"policyArn":"arn:aws:iam::<account>:policy/<app>-access"}"#),
        change("iam", "DeletePolicyVersion", r#"{"policyArn":"arn:aws:iam::<account>:policy/<app>-access","versionId":"v<num:1>"}"#, "null"),
        change("iam", "CreatePolicyVersion", r#"{"policyArn":"arn:aws:iam::<account>:policy/<app>-access","setAsDefault":true,"policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"dynamodb:GetItem\",\"dynamodb:PutItem\",\"dynamodb:Query\"],\"Resource\":\"arn:aws:dynamodb:<region>:<account>:table/<app>-<env>\"}]}"}"#, r#"{"policyVersion":{"versionId":"v<num:1>","isDefaultVersion":true,"createDate":"<said>"}}"#),
    ]),
    in_order(2.0, Who::Pipeline, WORK, &[change("iam", "CreatePolicy", r#"{"policyName":"<app>-access","path":"/","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"secretsmanager:GetSecretValue\",\"Resource\":\"arn:aws:secretsmanager:<region>:<account>:secret:<env>/<app>/*\"}]}"}"#, r#"{"policy":{"policyName":"<app>-access","policyId":"ANPA<num:10>EXAMPLE","arn":"arn:aws:iam::<account>:policy/<app>-access","path":"/","defaultVersionId":"v1","attachmentCount":0,"createDate":"<said>"}}"#)]),
    in_order(1.0, Who::Pipeline, WORK, &[change("iam", "UpdateAssumeRolePolicy", r#"{"roleName":"<app>-task","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ecs-tasks.amazonaws.com\"},\"Action\":\"sts:AssumeRole\",\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":\"<account>\"}}}]}"}"#, "null")]),
    in_order(0.8, Who::Pipeline, WORK, &[
        change("iam", "CreateInstanceProfile", r#"{"instanceProfileName":"<app>-instance","path":"/"}"#, r#"{"instanceProfile":{"instanceProfileName":"<app>-instance","instanceProfileId":"AIPA<num:10>EXAMPLE","arn":"arn:aws:iam::<account>:instance-profile/<app>-instance","path":"/","createDate":"<said>","roles":[]}}"#),
        change("iam", "AddRoleToInstanceProfile", r#"{"instanceProfileName":"<app>-instance","roleName":"<app>-instance"}"#, "null"),
    ]),
    in_order(4.0, Who::Stack, DEV, &[
        change("iam", "DetachRolePolicy", r#"{"roleName":"<app>-preview","policyArn":"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}"#, "null"),
        change("iam", "DeleteRolePolicy", r#"{"roleName":"<app>-preview","policyName":"<app>-access"}"#, "null"),
        change("iam", "DeleteRole", r#"{"roleName":"<app>-preview"}"#, "null"),
    ]),
    in_order(0.4, Who::Pipeline, WORK, &[change("iam", "DeletePolicy", r#"{"policyArn":"arn:aws:iam::<account>:policy/<app>-old"}"#, "null")]),
    // A person repairs a role by hand, in development.
    in_order(0.5, Who::Console(Set::Administrator), DEV, &[PUT_POLICY]),
    in_order(0.3, Who::Console(Set::Administrator), DEV, &[ATTACH]),
    in_order(8.0, Who::Pipeline, WORK, &[change("ec2", "AuthorizeSecurityGroupIngress", INSIDE, ALLOWED)]),
    in_order(5.0, Who::Pipeline, WORK, &[change("ec2", "AuthorizeSecurityGroupIngress", FROM_GROUP, ALLOWED)]),
    in_order(1.2, Who::Pipeline, WORK, &[change("ec2", "AuthorizeSecurityGroupIngress", PUBLIC, ALLOWED)]),
    in_order(0.6, Who::Console(Set::PowerUser), DEV, &[change("ec2", "AuthorizeSecurityGroupIngress", OFFICE, ALLOWED)]),
    in_order(6.0, Who::Pipeline, WORK, &[change("ec2", "RevokeSecurityGroupIngress", INSIDE, OK)]),
    in_order(0.4, Who::Console(Set::PowerUser), DEV, &[change("ec2", "RevokeSecurityGroupIngress", OFFICE, OK)]),
    in_order(3.0, Who::Pipeline, WORK, &[
        change("ec2", "CreateSecurityGroup", r#"{"groupName":"<app>-<env>","groupDescription":"<app>","vpcId":"vpc-<=vpc>"}"#, r#"{"requestId":"<uuid>","_return":true,"groupId":"sg-<new>"}"#),
        change("ec2", "RevokeSecurityGroupEgress", r#"{"groupId":"sg-<new>","ipPermissions":{"items":[{"ipProtocol":"-1","groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#, OK),
        change("ec2", "AuthorizeSecurityGroupEgress", r#"{"groupId":"sg-<new>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#, OK),
    ]),
    in_order(2.0, Who::Pipeline, WORK, &[change("ec2", "DeleteSecurityGroup", r#"{"groupId":"sg-<~old>"}"#, OK)]),
    in_order(3.0, Who::Pipeline, WORK, &[change("ec2", "RunInstances", r#"{"instancesSet":{"items":[{"imageId":"ami-<=ami>","minCount":1,"maxCount":1}]},"instanceType":"<pick:t3.medium|m6i.large|r6i.large>","blockDeviceMapping":{},"subnetId":"subnet-<=subnet>","groupSet":{"items":[{"groupId":"sg-<~sg>"}]},"iamInstanceProfile":{"name":"<app>-instance"},"monitoring":{"enabled":true},"metadataOptions":{"httpTokens":"required"},"disableApiTermination":false,"clientToken":"<uuid>"}"#, r#"{"requestId":"<uuid>","reservationId":"r-<new>","ownerId":"<account>","groupSet":{},"instancesSet":{"items":[{"instanceId":"i-<new>","imageId":"ami-<=ami>","instanceState":{"code":0,"name":"pending"},"instanceType":"m6i.large","subnetId":"subnet-<=subnet>","vpcId":"vpc-<=vpc>"}]}}"#)]),
    in_order(3.0, Who::Pipeline, WORK, &[change("ec2", "TerminateInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#, r#"{"requestId":"<uuid>","instancesSet":{"items":[{"instanceId":"i-<~i>","currentState":{"code":32,"name":"shutting-down"},"previousState":{"code":16,"name":"running"}}]}}"#)]),
    // Development sleeps at night.
    in_order(20.0, Who::Function, DEV, &[change("ec2", "StopInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-<~i>"}]},"force":false}"#, STOPPING)]),
    in_order(20.0, Who::Function, DEV, &[change("ec2", "StartInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#, r#"{"requestId":"<uuid>","instancesSet":{"items":[{"instanceId":"i-<~i>","currentState":{"code":0,"name":"pending"},"previousState":{"code":80,"name":"stopped"}}]}}"#)]),
    in_order(0.8, Who::Console(Set::PowerUser), WORK, &[change("ec2", "RebootInstances", r#"{"instancesSet":{"items":[{"instanceId":"i-<~i>"}]}}"#, OK)]),
    in_order(0.4, Who::Pipeline, WORK, &[change("ec2", "ModifyInstanceAttribute", r#"{"instanceId":"i-<~i>","instanceType":{"value":"<pick:m6i.xlarge|r6i.large>"}}"#, OK)]),
    in_order(0.2, Who::Pipeline, WORK, &[change("ec2", "ModifyInstanceMetadataOptions", r#"{"ModifyInstanceMetadataOptionsRequest":{"InstanceId":"i-<~i>","HttpTokens":"required","HttpEndpoint":"enabled","HttpPutResponseHopLimit":2}}"#, r#"{"ModifyInstanceMetadataOptionsResponse":{"instanceId":"i-<~i>","requestId":"<uuid>"}}"#)]),
    in_order(6.0, Who::Pipeline, WORK, &[change("ec2", "CreateLaunchTemplateVersion", r#"{"CreateLaunchTemplateVersionRequest":{"LaunchTemplateId":"lt-<~lt>","LaunchTemplateData":{"ImageId":"ami-<=ami>","InstanceType":"m6i.large","MetadataOptions":{"HttpTokens":"required"}},"SourceVersion":"<num:1>"}}"#, r#"{"CreateLaunchTemplateVersionResponse":{"requestId":"<uuid>","launchTemplateVersion":{"launchTemplateId":"lt-<~lt>","launchTemplateName":"<app>-<env>","versionNumber":<pick:12|31|44>,"createdBy":"<me>"}}}"#)]),
    in_order(150.0, Who::Pipeline, WORK, &[change("ec2", "CreateTags", r#"{"resourcesSet":{"items":[{"resourceId":"sg-<~sg>"}]},"tagSet":{"items":[{"key":"service","value":"<app>"},{"key":"environment","value":"<env>"}]}}"#, OK)]),
    in_order(12.0, Who::Pod, WORK, &[
        change("ec2", "CreateVolume", r#"{"size":"20","zone":"<region>a","volumeType":"gp3","encrypted":true,"clientToken":"<uuid>"}"#, r#"{"requestId":"<uuid>","volumeId":"vol-<new>","size":"20","zone":"<region>a","status":"creating","volumeType":"gp3","encrypted":true}"#),
        change("ec2", "AttachVolume", r#"{"volumeId":"vol-<new>","instanceId":"i-<~i>","device":"/dev/xvdaa","deleteOnTermination":false}"#, r#"{"requestId":"<uuid>","volumeId":"vol-<new>","instanceId":"i-<~i>","device":"/dev/xvdaa","status":"attaching"}"#),
    ]),
    in_order(10.0, Who::Pod, WORK, &[
        change("ec2", "DetachVolume", r#"{"volumeId":"vol-<~vol>","instanceId":"i-<~i>","force":false}"#, r#"{"requestId":"<uuid>","volumeId":"vol-<~vol>","status":"detaching"}"#),
        change("ec2", "DeleteVolume", r#"{"volumeId":"vol-<~vol>"}"#, OK),
    ]),
    in_order(1.2, Who::Pipeline, WORK, &[
        change("s3", "CreateBucket", BUCKET, "null"),
        change("s3", "PutBucketPublicAccessBlock", BLOCK, "null"),
        change("s3", "PutBucketEncryption", ENCRYPT, "null"),
        change("s3", "PutBucketVersioning", r#"{"bucketName":"example-<app>-<env>-<new>","Host":"example-<app>-<env>-<new>.s3.<region>.amazonaws.com","versioning":"","VersioningConfiguration":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","Status":"Enabled"}}"#, "null"),
        change("s3", "PutBucketPolicy", TLS_ONLY, "null"),
    ]),
    in_order(2.0, Who::Pipeline, WORK, &[change("s3", "PutBucketPolicy", TLS_ONLY, "null")]),
    in_order(1.5, Who::Pipeline, WORK, &[change("s3", "PutBucketLifecycle", r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","lifecycle":"","LifecycleConfiguration":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","Rule":{"ID":"expire","Status":"Enabled","Expiration":{"Days":<pick:30|90|365>},"Filter":{"Prefix":"tmp/"}}}}"#, "null")]),
    in_order(1.0, Who::Pipeline, WORK, &[change("s3", "PutBucketNotification", r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","notification":"","NotificationConfiguration":{"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/","QueueConfiguration":{"Queue":"arn:aws:sqs:<region>:<account>:<app>-jobs","Event":"s3:ObjectCreated:*"}}}"#, "null")]),
    in_order(0.7, Who::Stack, DEV, &[change("s3", "DeleteBucket", r#"{"bucketName":"example-<app>-preview-<hex:6>","Host":"example-<app>-preview.s3.<region>.amazonaws.com"}"#, "null")]),
    in_order(0.7, Who::Pipeline, WORK, &[
        change("kms", "CreateKey", r#"{"description":"<app> <env>","keyUsage":"ENCRYPT_DECRYPT","keySpec":"SYMMETRIC_DEFAULT","origin":"AWS_KMS","multiRegion":false,"bypassPolicyLockoutSafetyCheck":false,"policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::<account>:root\"},\"Action\":\"kms:*\",\"Resource\":\"*\"}]}"}"#, r#"{"keyMetadata":{"aWSAccountId":"<account>","keyId":"<new-uuid>","arn":"arn:aws:kms:<region>:<account>:key/<new-uuid>","creationDate":"<said>","enabled":true,"keyUsage":"ENCRYPT_DECRYPT","keyState":"Enabled","origin":"AWS_KMS","keyManager":"CUSTOMER"}}"#),
        change("kms", "EnableKeyRotation", r#"{"keyId":"<new-uuid>"}"#, "null"),
        change("kms", "CreateAlias", r#"{"aliasName":"alias/<app>-<env>","targetKeyId":"<new-uuid>"}"#, "null"),
    ]),
    in_order(0.8, Who::Pipeline, WORK, &[change("kms", "PutKeyPolicy", r#"{"keyId":"<@key>","policyName":"default","bypassPolicyLockoutSafetyCheck":false,"policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::<account>:root\"},\"Action\":\"kms:*\",\"Resource\":\"*\"},{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::<account>:role/<app>-task\"},\"Action\":\"kms:Decrypt\",\"Resource\":\"*\"}]}"}"#, "null").on(KEY)]),
    in_order(0.15, Who::Pipeline, DEV, &[change("kms", "ScheduleKeyDeletion", r#"{"keyId":"<@old-key>","pendingWindowInDays":30}"#, r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<@old-key>","keyState":"PendingDeletion","deletionDate":"<said>","pendingWindowInDays":30}"#).on(KEY)]),
    in_order(120.0, Who::Linked("AutoScaling", "AutoScaling", "autoscaling.amazonaws.com"), WORK, &[change("kms", "CreateGrant", r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<@key>","granteePrincipal":"arn:aws:iam::<account>:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling","operations":["Decrypt","GenerateDataKeyWithoutPlaintext","CreateGrant"],"constraints":{"encryptionContextSubset":{"aws:ebs:id":"vol-<new>"}}}"#, r#"{"grantId":"<hex:64>","keyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#).on(KEY)]),
    in_order(140.0, Who::Backup, WORK, &[
        change("ec2", "CreateSnapshot", r#"{"volumeId":"vol-<~vol>","description":"This snapshot is created by the AWS Backup service.","tagSpecificationSet":{"items":[{"resourceType":"snapshot","tags":[{"key":"aws:backup:source-resource","value":"vol-<~vol>"}]}]}}"#, SNAPSHOT),
        read("ec2", "DescribeSnapshots", r#"{"snapshotSet":{"items":[{"snapshotId":"snap-<new>"}]},"filterSet":{},"ownersSet":{}}"#),
    ]),
    in_order(130.0, Who::Backup, WORK, &[change("ec2", "DeleteSnapshot", r#"{"snapshotId":"snap-<~snap>"}"#, OK)]),
    in_order(35.0, Who::Backup, WORK, &[
        change("rds", "CreateDBSnapshot", r#"{"dBSnapshotIdentifier":"awsbackup:job-<uuid>","dBInstanceIdentifier":"<app>-<env>"}"#, r#"{"dBSnapshotIdentifier":"awsbackup:job-<uuid>","dBInstanceIdentifier":"<app>-<env>","engine":"postgres","status":"creating","snapshotType":"manual","encrypted":true,"kmsKeyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#),
        read("rds", "DescribeDBSnapshots", r#"{"dBSnapshotIdentifier":"awsbackup:job-<uuid>"}"#),
    ]),
    in_order(30.0, Who::Backup, WORK, &[change("rds", "DeleteDBSnapshot", r#"{"dBSnapshotIdentifier":"awsbackup:job-<uuid>"}"#, r#"{"dBSnapshotIdentifier":"awsbackup:job-<uuid>","status":"deleted","snapshotType":"manual"}"#)]),
    in_order(200.0, Who::Told("backup.amazonaws.com"), WORK, &[event("backup", "BackupJobCompleted", "AwsServiceEvent", r#"{"completionDate":{"seconds":1763000000,"nanos":0},"state":"COMPLETED","percentDone":100.0,"backupJobId":"<uuid>","backupVaultName":"default","resourceType":"EBS"}"#)]),
    // Copies for recovery go to an account of the organization.
    in_order(5.0, Who::Backup, Place::Production, &[change("ec2", "ModifySnapshotAttribute", r#"{"snapshotId":"snap-<~snap>","attributeType":"CREATE_VOLUME_PERMISSION","createVolumePermission":{"add":{"items":[{"userId":"<shared>"}]}}}"#, OK)]),
    in_order(2.0, Who::Backup, Place::Production, &[change("rds", "ModifyDBSnapshotAttribute", r#"{"dBSnapshotIdentifier":"<app>-<env>-weekly","attributeName":"restore","valuesToAdd":["<shared>"]}"#, r#"{"dBSnapshotIdentifier":"<app>-<env>-weekly","dBSnapshotAttributes":[{"attributeName":"restore","attributeValues":["<shared>"]}]}"#)]),
    in_order(4.0, Who::Backup, Place::Shared, &[change("ec2", "CopySnapshot", r#"{"sourceRegion":"<region>","sourceSnapshotId":"snap-<~snap>","encrypted":true,"kmsKeyId":"arn:aws:kms:<region>:<account>:key/<@key>"}"#, r#"{"requestId":"<uuid>","snapshotId":"snap-<new>"}"#)]),
];
