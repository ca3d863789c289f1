//! Who calls: the identity as CloudTrail writes it, the address, the user agent.
//!
//! Roles, sessions and addresses follow from the account, the app and a number, so that the same callers come back.
//! Addresses are from ranges kept for documentation, or private ones behind an endpoint. People are numbered.

use jiff::{Timestamp, ToSpan as _};

use super::accounts::{Account, VENDOR, mix, unique_id};
use super::act::{Set, Who};
use super::agents::{self, AGENTS_OF_SCANNER, BROWSERS, pick, pick_one};

type Random = fastrand::Rng;

/// Which kind of caller a workload is; our assumption: containers lead, functions and pods follow, instances remain.
const WORKLOADS: &[(u32, Who)] =
    &[(40, Who::Task), (30, Who::Function), (15, Who::Pod), (15, Who::Instance)];

/// Calls of workloads that pass an endpoint of their network, per hundred: our assumption.
const THROUGH_ENDPOINT: u8 = 30;

/// A caller during one doing.
#[derive(Default)]
pub(super) struct Caller {
    /// `userIdentity`.
    pub(super) identity: String,
    pub(super) arn: String,
    pub(super) role: String,
    pub(super) session: String,
    /// The person's name where there is one.
    pub(super) person: String,
    pub(super) address: String,
    pub(super) agent: String,
    /// Whether it connects by itself, so that the record has `tlsDetails`.
    pub(super) connects: bool,
    /// Whether it works in the console.
    pub(super) console: bool,
    /// The endpoint of its network, if it goes through one.
    pub(super) endpoint: Option<String>,
}

/// Where and when somebody calls.
pub(super) struct Setting<'o> {
    pub(super) account: &'o Account,
    pub(super) region: &'static str,
    pub(super) app: &'o str,
    /// Which of the app's things.
    pub(super) nth: u64,
    pub(super) time: Timestamp,
}

/// What is known of the session of a role.
#[derive(Default)]
struct Session<'s> {
    /// The path of the role.
    path: &'s str,
    /// Added to the session's context.
    context: &'s str,
    /// Added to the attributes of the session.
    attribute: &'s str,
    /// The service that calls for the role.
    service: &'s str,
}

/// The caller of a doing.
pub(super) fn caller(random: &mut Random, who: Who, at: &Setting<'_>) -> Caller {
    match who {
        Who::Workload => {
            let kind = pick(random, WORKLOADS);
            workload(random, kind, at)
        }
        Who::Task | Who::Function | Who::Pod | Who::Instance => workload(random, who, at),
        Who::For(service) => for_a_role(random, service, at),
        Who::PodToken | Who::PipelineToken => token(random, who, at),
        Who::Pipeline | Who::Stack | Who::Backup | Who::Scanner | Who::Vending | Who::Reporting => {
            machine(random, who, at)
        }
        Who::Linked(role, session, service) => linked(role, session, service, at),
        Who::Service(service) => Caller {
            identity: format!("{{\"type\":\"AWSService\",\"invokedBy\":\"{service}\"}}"),
            ..of_service(service)
        },
        Who::Told(service) => Caller {
            identity: format!(
                "{{\"accountId\":\"{}\",\"invokedBy\":\"{service}\"}}",
                at.account.id
            ),
            ..of_service(service)
        },
        Who::Vendor => vendor(random),
        Who::Console(set) | Who::Cli(set) => person(random, who, set, at),
        Who::Portal | Who::Assertion(_) => portal(random, who, at),
        Who::User(name) => user(name, at),
        Who::Root => root(random, at),
    }
}

fn of_service(service: &str) -> Caller {
    Caller { address: service.to_owned(), agent: service.to_owned(), ..Caller::default() }
}

/// The identity of a role's session.
fn assumed(role: &str, name: &str, session: &Session<'_>, at: &Setting<'_>) -> Caller {
    let account = &at.account.id;
    let id = unique_id("AROA", &[account, role]);
    // A session lives for an hour, and begins at a time of its own.
    let offset = mix(&[account, role, name], 3) % 3600;
    let since = (at.time.as_second().unsigned_abs() + offset) % 3600;
    let created = at.time - i64::try_from(since).unwrap_or(0).seconds();
    let hour = (created.as_second().unsigned_abs()) / 60;
    let key = unique_id("ASIA", &[account, role, name, &hour.to_string()]);
    let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{name}");
    let service = if session.service.is_empty() {
        String::new()
    } else {
        format!(",\"invokedBy\":\"{}\"", session.service)
    };
    let identity = format!(
        "{{\"type\":\"AssumedRole\",\"principalId\":\"{id}:{name}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"accessKeyId\":\"{key}\",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\"principalId\":\"{id}\",\"arn\":\"arn:aws:iam::{account}:role/{}{role}\",\"accountId\":\"{account}\",\"userName\":\"{role}\"}}{},\"attributes\":{{\"creationDate\":\"{}\",\"mfaAuthenticated\":\"false\"{}}}}}{service}}}",
        session.path,
        session.context,
        created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        session.attribute,
    );
    Caller { identity, arn, role: role.to_owned(), session: name.to_owned(), ..Caller::default() }
}

/// The role of a kind of workload, and its session's name.
fn workload_names(who: Who, at: &Setting<'_>) -> (String, String) {
    let app = at.app;
    let number = |what: &str| mix(&[&at.account.id, at.region, app, what], at.nth);
    match who {
        Who::Function => (format!("{app}-handler"), format!("{app}-handler")),
        Who::Pod => (
            format!("{app}-pod"),
            format!("aws-sdk-java-17{:011}", number("pod") % 100_000_000_000),
        ),
        // The seventeen digits that `fill.rs` writes for `<~i>`.
        Who::Instance => (format!("{app}-instance"), format!("i-0{:016x}", number("~i"))),
        _ => {
            (format!("{app}-task"), format!("{:016x}{:016x}", number("task"), number("task again")))
        }
    }
}

fn workload(random: &mut Random, who: Who, at: &Setting<'_>) -> Caller {
    let (role, name) = workload_names(who, at);
    let provider;
    let session = match who {
        Who::Pod => {
            provider = format!(
                ",\"webIdFederationData\":{{\"federatedProvider\":\"arn:aws:iam::{}:oidc-provider/oidc.eks.{}.amazonaws.com/id/{}\",\"attributes\":{{}}}}",
                at.account.id,
                at.region,
                unique_id("", &[&at.account.id, at.region]),
            );
            Session { context: &provider, ..Session::default() }
        }
        Who::Instance => Session { context: ",\"ec2RoleDelivery\":\"2.0\"", ..Session::default() },
        _ => Session::default(),
    };
    let mut caller = assumed(&role, &name, &session, at);
    caller.agent = agents::of_workload(random, who, &[&at.account.id, at.app]).to_owned();
    caller.connects = true;
    if who != Who::Function && random.u8(0..100) < THROUGH_ENDPOINT {
        let host = mix(&[&at.account.id, at.region, at.app], at.nth);
        caller.address = format!("10.{}.{}.{}", host % 60, (host >> 8) % 256, (host >> 16) % 250);
        let id = mix(&[&at.account.id, at.region, "endpoint"], 0);
        caller.endpoint = Some(format!("vpce-0{id:016x}"));
    } else {
        caller.address = gateway(at);
    }
    caller
}

/// The address that an account's networks show to the outside.
fn gateway(at: &Setting<'_>) -> String {
    let number = mix(&[&at.account.id, at.region, "gateway"], at.nth % 3);
    format!("192.0.2.{}", 1 + number % 250)
}

fn for_a_role(random: &mut Random, service: &str, at: &Setting<'_>) -> Caller {
    let kind = pick(random, WORKLOADS);
    let (role, name) = workload_names(kind, at);
    let session = Session { service, ..Session::default() };
    Caller {
        address: service.to_owned(),
        agent: service.to_owned(),
        ..assumed(&role, &name, &session, at)
    }
}

fn linked(role: &str, session: &str, service: &str, at: &Setting<'_>) -> Caller {
    let path = format!("aws-service-role/{service}/");
    let context = Session { path: &path, service, ..Session::default() };
    let role = format!("AWSServiceRoleFor{role}");
    Caller {
        address: service.to_owned(),
        agent: service.to_owned(),
        ..assumed(&role, session, &context, at)
    }
}

/// Roles that programs of the organization and its vendor work with.
fn machine(random: &mut Random, who: Who, at: &Setting<'_>) -> Caller {
    let account = &at.account.id;
    let run = mix(&[account, at.app, "run"], at.time.as_second().unsigned_abs() / 900) % 900_000;
    let provider = format!(
        ",\"webIdFederationData\":{{\"federatedProvider\":\"arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com\",\"attributes\":{{}}}}"
    );
    match who {
        Who::Pipeline => {
            let session = Session { context: &provider, ..Session::default() };
            let name = format!("{}-deploy-{}", at.app, 9_100_000 + run);
            let mut caller = assumed(&format!("{}-deploy", at.account.team), &name, &session, at);
            caller.agent = agents::of_pipeline(random, &[account, at.app]).to_owned();
            caller.address = format!("203.0.113.{}", 128 + run % 64);
            caller.connects = true;
            caller
        }
        Who::Stack => {
            let role = format!("cdk-hnb659fds-cfn-exec-role-{account}-{}", at.region);
            let service = "cloudformation.amazonaws.com";
            let session = Session { service, ..Session::default() };
            Caller {
                address: service.to_owned(),
                agent: service.to_owned(),
                ..assumed(&role, "AWSCloudFormation", &session, at)
            }
        }
        Who::Backup => {
            let service = "backup.amazonaws.com";
            let session = Session { path: "service-role/", service, ..Session::default() };
            let name = "AWSBackup-AWSBackupDefaultServiceRole";
            Caller {
                address: service.to_owned(),
                agent: service.to_owned(),
                ..assumed("AWSBackupDefaultServiceRole", name, &session, at)
            }
        }
        Who::Scanner => Caller {
            address: format!("203.0.113.{}", 200 + run % 4),
            agent: pick_one(random, AGENTS_OF_SCANNER).to_owned(),
            connects: true,
            ..assumed("posture-scanner-readonly", "posture-scan", &Session::default(), at)
        },
        Who::Vending => Caller {
            address: gateway(at),
            agent: agents::VENDING.to_owned(),
            connects: true,
            ..assumed("account-vending", "account-vending", &Session::default(), at)
        },
        _ => Caller {
            address: gateway(at),
            agent: agents::REPORTING.to_owned(),
            connects: true,
            ..assumed("reporting-query", "reporting-connector", &Session::default(), at)
        },
    }
}

/// A token of a cluster or of the pipelines' host, at the moment it is exchanged for a role.
fn token(random: &mut Random, who: Who, at: &Setting<'_>) -> Caller {
    let account = &at.account.id;
    let (provider, subject) = if who == Who::PodToken {
        let cluster = unique_id("", &[account, at.region]);
        (
            format!("oidc.eks.{}.amazonaws.com/id/{cluster}", at.region),
            format!("system:serviceaccount:{}:{}-worker", at.account.team, at.app),
        )
    } else {
        (
            "token.actions.githubusercontent.com".to_owned(),
            format!("repo:example-org/{}:ref:refs/heads/main", at.app),
        )
    };
    let arn = format!("arn:aws:iam::{account}:oidc-provider/{provider}");
    let (like, address) = if who == Who::PodToken {
        (Who::Pod, gateway(at))
    } else {
        (Who::Pipeline, format!("203.0.113.{}", random.u8(128..192)))
    };
    let name = if who == Who::PodToken {
        workload_names(Who::Pod, at).1
    } else {
        machine(random, Who::Pipeline, at).session
    };
    let agent = agents::of_workload(random, like, &[account, at.app]).to_owned();
    Caller {
        identity: format!(
            "{{\"type\":\"WebIdentityUser\",\"principalId\":\"{arn}:sts.amazonaws.com:{subject}\",\"userName\":\"{subject}\",\"identityProvider\":\"{arn}\"}}"
        ),
        session: name,
        address,
        agent,
        connects: true,
        ..Caller::default()
    }
}

fn vendor(random: &mut Random) -> Caller {
    let id = unique_id("AROA", &[VENDOR, "scanner"]);
    Caller {
        identity: format!(
            "{{\"type\":\"AWSAccount\",\"principalId\":\"{id}:scanner\",\"accountId\":\"{VENDOR}\"}}"
        ),
        session: "posture-scan".to_owned(),
        address: format!("203.0.113.{}", random.u8(200..204)),
        agent: pick_one(random, AGENTS_OF_SCANNER).to_owned(),
        connects: true,
        ..Caller::default()
    }
}

/// People who have a permission set, by number; our assumption: six run the platform, forty develop, and more read.
fn people(set: Set) -> std::ops::Range<u8> {
    match set {
        Set::Administrator => 1..7,
        Set::PowerUser => 7..47,
        Set::ReadOnly => 1..61,
        Set::Billing => 61..64,
    }
}

/// The name of a permission set.
pub(super) fn set_name(set: Set) -> &'static str {
    match set {
        Set::Administrator => "AdministratorAccess",
        Set::PowerUser => "PowerUserAccess",
        Set::ReadOnly => "ReadOnlyAccess",
        Set::Billing => "Billing",
    }
}

/// The role that Identity Center makes of a permission set in an account.
pub(super) fn set_role(account: &str, set: Set) -> String {
    let name = set_name(set);
    format!("AWSReservedSSO_{name}_{:016x}", mix(&[account, name], 0))
}

/// Where a person works: at two offices in three, else at home.
fn desk(random: &mut Random, number: u8) -> String {
    let host = if random.u8(0..3) > 0 { 1 + number % 2 } else { 100 + number };
    format!("198.51.100.{host}")
}

fn person(random: &mut Random, who: Who, set: Set, at: &Setting<'_>) -> Caller {
    let number = random.u8(people(set));
    let name = format!("employee-{number:03}@example.com");
    let session = Session { path: "aws-reserved/sso.amazonaws.com/", ..Session::default() };
    let console = matches!(who, Who::Console(_));
    let agents = if console { BROWSERS } else { agents::COMMAND_LINES };
    Caller {
        address: desk(random, number),
        // A person keeps the same machine.
        agent: agents[usize::from(number) % agents.len()].to_owned(),
        connects: true,
        console,
        person: name.clone(),
        ..assumed(&set_role(&at.account.id, set), &name, &session, at)
    }
}

fn portal(random: &mut Random, who: Who, at: &Setting<'_>) -> Caller {
    let set = if let Who::Assertion(set) = who { set } else { Set::ReadOnly };
    let number = random.u8(people(set));
    let person = format!("employee-{number:03}@example.com");
    let identity = if let Who::Assertion(_) = who {
        let provider = mix(&[&at.account.id, "saml"], 0);
        format!(
            "{{\"type\":\"SAMLUser\",\"principalId\":\"{provider:016x}Example=:{person}\",\"userName\":\"{person}\",\"identityProvider\":\"{provider:016x}Example=\"}}"
        )
    } else {
        let id = mix(&[&person, "id"], 0);
        format!(
            "{{\"type\":\"IdentityCenterUser\",\"accountId\":\"{0}\",\"onBehalfOf\":{{\"userId\":\"9067{1:06x}-{2:08x}-4a5b-8c6d-{2:012x}\",\"identityStoreArn\":\"arn:aws:identitystore::{0}:identitystore/d-9067example\"}},\"credentialId\":\"{3:032x}\"}}",
            at.account.id,
            id & 0xff_ffff,
            id >> 32,
            random.u128(..),
        )
    };
    Caller {
        identity,
        session: person.clone(),
        role: set_role(&at.account.id, set),
        person,
        address: desk(random, number),
        agent: BROWSERS[usize::from(number) % BROWSERS.len()].to_owned(),
        connects: true,
        ..Caller::default()
    }
}

fn user(name: &str, at: &Setting<'_>) -> Caller {
    let account = &at.account.id;
    let arn = format!("arn:aws:iam::{account}:user/{name}");
    let id = unique_id("AIDA", &[account, name]);
    let key = unique_id("AKIA", &[account, name]);
    Caller {
        identity: format!(
            "{{\"type\":\"IAMUser\",\"principalId\":\"{id}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"accessKeyId\":\"{key}\",\"userName\":\"{name}\"}}"
        ),
        arn,
        session: name.to_owned(),
        address: format!("198.51.100.{}", 240 + mix(&[account, name], 0) % 2),
        agent: agents::OLD.to_owned(),
        connects: true,
        ..Caller::default()
    }
}

fn root(random: &mut Random, at: &Setting<'_>) -> Caller {
    let account = &at.account.id;
    let arn = format!("arn:aws:iam::{account}:root");
    Caller {
        identity: format!(
            "{{\"type\":\"Root\",\"principalId\":\"{account}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"accessKeyId\":\"\"}}"
        ),
        arn,
        address: desk(random, 1),
        agent: BROWSERS[0].to_owned(),
        connects: true,
        ..Caller::default()
    }
}
