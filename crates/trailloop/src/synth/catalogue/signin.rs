//! How people come in: the access portal, the console, the command line. And the account's root, almost never.

use crate::synth::act::{Act, Doing, Place, Set, Who, change, event, in_order, read};

const AT: Place = Place::Management;
const TOLD: &str = "AwsServiceEvent";

const VERIFIED: &str = r#"{"CredentialVerification":"Success"}"#;
const REFUSED: &str = r#"{"CredentialVerification":"Failure"}"#;
const PASSWORD: &str =
    r#"{"AuthWorkflowID":"<new-uuid>","UserName":"<person>","CredentialType":"PASSWORD"}"#;
const DEVICE: &str = r#"{"AuthWorkflowID":"<new-uuid>","UserName":"<person>","CredentialType":"<pick:WEBAUTHN|TOTP>"}"#;
const ENTERED: &str = r#"{"AuthWorkflowID":"<new-uuid>","LoginTo":"https://d-9067example.awsapps.com/start","CredentialType":"PASSWORD","UserName":"<person>"}"#;

const GIVEN: &str = r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEXAMPLE<text:80>","expiration":"<later>"},"subjectType":"persistent","issuer":"https://portal.sso.us-east-1.amazonaws.com/saml/assertion","nameQualifier":"<text:27>=","assumedRoleUser":{"assumedRoleId":"AROA<num:10>EXAMPLE:<session>","arn":"arn:aws:sts::<account>:assumed-role/<role>/<session>"},"subject":"<session>","audience":"https://signin.aws.amazon.com/saml"}"#;

const ASSERTION: &[Act] = &[read(
        "sts",
        "AssumeRoleWithSAML",
        r#"{"sAMLAssertionID":"_<uuid>","roleSessionName":"<session>","durationSeconds":14400,"roleArn":"arn:aws:iam::<account>:role/aws-reserved/sso.amazonaws.com/<role>","principalArn":"arn:aws:iam::<account>:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"}"#,
    )
    .answers(GIVEN)
    .on(r#"[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/aws-reserved/sso.amazonaws.com/<role>"},{"accountId":"<account>","type":"AWS::IAM::SAMLProvider","ARN":"arn:aws:iam::<account>:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE"}]"#)];

const fn assertion(share: f64, set: Set, place: Place) -> Doing {
    in_order(share, Who::Assertion(set), place, ASSERTION)
}

const CONSOLE: &[Act] = &[
    event("signin", "GetSigninToken", "AwsConsoleSignIn", "")
        .answers(
            r#"{"credentials":{"accessKeyId":"ASIA<num:9>EXAMPLE"},"GetSigninToken":"Success"}"#,
        )
        .adds(r#"{"MobileVersion":"No","MFAUsed":"No"}"#),
    event("signin", "ConsoleLogin", "AwsConsoleSignIn", "")
        .answers(r#"{"ConsoleLogin":"Success"}"#)
        .adds(
            r#"{"LoginTo":"https://console.aws.amazon.com/","MobileVersion":"No","MFAUsed":"No"}"#,
        ),
];

const fn console(share: f64, set: Set, place: Place) -> Doing {
    in_order(share, Who::Console(set), place, CONSOLE)
}

/// How people come in. Shares: our assumption, from some fifty sign-ins a day of sixty people, with two accounts
/// entered each. Which events a sign-in makes: AWS's user guide of Identity Center, "IAM Identity Center sign-in
/// events"; the console says of such a session that no second factor was used, because it does not know.
pub(super) const SIGN_IN: &[Doing] = &[
    in_order(50.0, Who::Portal, AT, &[
        event("signin", "CredentialChallenge", TOLD, r#"{"CredentialChallenge":"Success"}"#).adds(PASSWORD),
        event("signin", "CredentialVerification", TOLD, VERIFIED).adds(PASSWORD),
        event("signin", "CredentialChallenge", TOLD, r#"{"CredentialChallenge":"Success"}"#).adds(DEVICE),
        event("signin", "CredentialVerification", TOLD, VERIFIED).adds(DEVICE),
        event("signin", "UserAuthentication", TOLD, r#"{"UserAuthentication":"Success"}"#).adds(ENTERED),
        event("sso", "Authenticate", TOLD, ""),
        event("sso", "ListApplications", TOLD, ""),
        event("sso", "ListAccounts", TOLD, ""),
        event("sso", "ListAccountRoles", TOLD, r#"{"account_id":"<peer>"}"#),
        event("sso", "Federate", TOLD, r#"{"account_id":"<peer>","role_name":"<pick:ReadOnlyAccess|PowerUserAccess|PowerUserAccess|AdministratorAccess>","relayId":"<uuid>"}"#),
    ]),
    // A mistyped password, then the right one.
    in_order(4.0, Who::Portal, AT, &[
        event("signin", "CredentialChallenge", TOLD, r#"{"CredentialChallenge":"Success"}"#).adds(PASSWORD),
        event("signin", "CredentialVerification", TOLD, REFUSED).adds(PASSWORD),
        event("signin", "CredentialVerification", TOLD, VERIFIED).adds(PASSWORD),
    ]),
    in_order(60.0, Who::Portal, AT, &[event("sso", "Federate", TOLD, r#"{"account_id":"<peer>","role_name":"<pick:ReadOnlyAccess|PowerUserAccess|PowerUserAccess|AdministratorAccess>","relayId":"<uuid>"}"#)]),
    in_order(40.0, Who::Portal, AT, &[
        change("sso-oauth", "CreateToken", r#"{"clientId":"<text:22>","clientSecret":"HIDDEN_DUE_TO_SECURITY_REASONS","grantType":"<pick:authorization_code|refresh_token|refresh_token>","code":"HIDDEN_DUE_TO_SECURITY_REASONS","redirectUri":"http://127.0.0.1:<count:5>/oauth/callback","codeVerifier":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#, r#"{"accessToken":"HIDDEN_DUE_TO_SECURITY_REASONS","tokenType":"Bearer","expiresIn":28800,"refreshToken":"HIDDEN_DUE_TO_SECURITY_REASONS","idToken":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#)
            .on(r#"[{"accountId":"<account>","type":"IdentityStoreId","ARN":"d-9067example"}]"#),
        event("sso", "GetRoleCredentials", TOLD, r#"{"account_id":"<peer>","role_name":"<pick:ReadOnlyAccess|PowerUserAccess>"}"#),
    ]),
    assertion(90.0, Set::PowerUser, Place::Workloads),
    assertion(30.0, Set::ReadOnly, Place::Workloads),
    assertion(10.0, Set::Administrator, Place::Anywhere),
    assertion(1.0, Set::Billing, Place::Management),
    console(50.0, Set::PowerUser, Place::Workloads),
    console(25.0, Set::ReadOnly, Place::Workloads),
    console(5.0, Set::Administrator, Place::Anywhere),
    console(1.0, Set::Billing, Place::Management),
    // A quarterly check that it still works, and the rare task that nobody else may do: our assumption.
    in_order(0.3, Who::Root, AT, &[
        event("signin", "ConsoleLogin", "AwsConsoleSignIn", "")
            .answers(r#"{"ConsoleLogin":"Success"}"#)
            .adds(r#"{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAIdentifier":"arn:aws:iam::<account>:u2f/root-account/key-1","MFAUsed":"Yes"}"#),
        read("iam", "GetAccountSummary", "null"),
        read("account", "GetContactInformation", "null"),
    ]),
];
