//! Every key of the configuration.

use std::borrow::Cow;

/// A key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
}

/// What a key's value is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// One of these; the first is the default.
    Choice(&'static [&'static str]),
    /// A whole number in these bounds.
    Number {
        least: u64,
        most: u64,
        default: u64,
        unit: &'static str,
    },
    /// False unless said otherwise.
    Flag,
    /// Empty unless said otherwise.
    List,
}

impl Key {
    /// The environment variable of the same meaning.
    pub(crate) fn variable(&self) -> String {
        format!("TRAILLOOP_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    pub(crate) fn default_text(&self) -> Option<String> {
        match self.kind {
            Kind::Choice(choices) => choices.first().map(|text| (*text).to_owned()),
            _ => None,
        }
    }

    pub(crate) fn default_shown(&self) -> String {
        match self.kind {
            Kind::Text => "none".to_owned(),
            Kind::Choice(choices) => format!("`\"{}\"`", choices.first().unwrap_or(&"")),
            Kind::Number { default, .. } => format!("`{default}`"),
            Kind::Flag => "`false`".to_owned(),
            Kind::List => "`[]`".to_owned(),
        }
    }
}

impl Kind {
    /// What to write, for a message.
    pub(crate) fn wanted(self) -> Cow<'static, str> {
        match self {
            Self::Text => "text".into(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")).into(),
            Self::Number { least, most, unit, .. } => {
                format!("a number of {unit} from {least} to {most}").into()
            }
            Self::Flag => "true or false".into(),
            Self::List => "a list of texts (as a variable: separated by commas)".into(),
        }
    }
}

/// The key of this name.
pub(crate) fn find(name: &str) -> &'static Key {
    KEYS.iter().find(|key| key.name == name).expect("the code asks only for keys of the table")
}

const fn number(least: u64, most: u64, default: u64, unit: &'static str) -> Kind {
    Kind::Number { least, most, default, unit }
}

const MIB: u64 = 1 << 20;

/// The table, in the order of the reference.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "queues.notifications",
        kind: Kind::Text,
        doc: "The SQS queue that hears of new log objects, as its URL. Required by `run`. It takes S3 event notifications, directly, through SNS or through EventBridge, and CloudTrail's own SNS messages.",
    },
    Key {
        name: "queues.actions",
        kind: Kind::Text,
        doc: "The SQS queue that findings go to, as its URL. Required by `run` and `respond`. A FIFO queue drops repeats within five minutes by the finding's id.",
    },
    Key {
        name: "queues.dead_letters",
        kind: Kind::Text,
        doc: "The SQS queue for messages that can never succeed, as its URL; why each is there stands in its attributes. Without it such messages stay until the redrive policy of the notifications queue moves them.",
    },
    Key {
        name: "aws.region",
        kind: Kind::Text,
        doc: "The region of queues and buckets; by default what the AWS environment says.",
    },
    Key {
        name: "aws.endpoint_url",
        kind: Kind::Text,
        doc: "Another endpoint for all AWS calls: an emulator, or a VPC endpoint.",
    },
    Key {
        name: "aws.path_style",
        kind: Kind::Flag,
        doc: "Put the bucket into the path of S3 requests instead of the host name. Emulators need it.",
    },
    Key {
        name: "rules.paths",
        kind: Kind::List,
        doc: "Sigma files, folders, and prefixes such as `s3://bucket/rules/`. They replace the rules that come with the program; without any, those run.",
    },
    Key {
        name: "rules.reload_seconds",
        kind: number(0, 86_400, 15, "seconds"),
        doc: "How often the files of rules and enrichment are looked at. A change that two looks in a row find alike is loaded, linted and tested, and then takes the place of what runs, between objects; if anything is wrong with it, what ran goes on and the log says why. 0 means never.",
    },
    Key {
        name: "rules.trial_records",
        kind: number(0, 1 << 40, 0, "records"),
        doc: "How many records changed rules are asked about beside those that run before they take over. What they would have found is logged and not sent. 0 means that they take over at once. A start takes the rules that are there without a trial.",
    },
    Key {
        name: "rules.lint",
        kind: Kind::Choice(&["warn", "deny"]),
        doc: "What a lint of changed rules does: `deny` keeps them out, `warn` only says it.",
    },
    Key {
        name: "rules.content_version",
        kind: Kind::Text,
        doc: "The version of the shipped rules that may run, such as `trailloop rules list` prints it. With another one in the program the service does not start; without this key it starts and says which version runs.",
    },
    Key {
        name: "enrichment.folder",
        kind: Kind::Text,
        doc: "A folder with address databases (`*.mmdb`), `accounts.csv` or `.json`, `principals.csv` or `.json`, and `environment.toml`; see docs/enrichment.md. Without it the fields made of them are missing.",
    },
    Key {
        name: "limits.workers",
        kind: number(0, 1024, 0, "threads"),
        doc: "Threads that gunzip, parse and match. 0 means one for each core.",
    },
    Key {
        name: "limits.pollers",
        kind: number(1, 256, 8, "receives"),
        doc: "Receives under way at once when many messages wait; when few do, one is. Each brings at most ten messages.",
    },
    Key {
        name: "limits.messages_in_flight_max",
        kind: number(1, 10_000, 128, "messages"),
        doc: "Messages worked on at once. Most of that time is spent waiting for S3 and SQS.",
    },
    Key {
        name: "limits.bytes_in_flight_max",
        kind: number(MIB, 1 << 40, 256 * MIB, "bytes"),
        doc: "Bytes of objects, as stored, in memory at once. Memory is this plus `workers` × (1 MiB + 6 × the larger of `block_bytes_max` and `record_bytes_max`), plus 32 MiB of findings on their way.",
    },
    Key {
        name: "limits.object_bytes_max",
        kind: number(1024, 1 << 32, 128 * MIB, "bytes"),
        doc: "The largest object, as stored. CloudTrail's own limit is 50 MB. A larger one is parked; so is one of more than 64 MiB whose notification does not tell the size.",
    },
    Key {
        name: "limits.raw_bytes_max",
        kind: number(1024, 1 << 40, 2048 * MIB, "bytes"),
        doc: "The most bytes an object may inflate to. What comes before the limit is evaluated, and the message is parked.",
    },
    Key {
        name: "limits.block_bytes_max",
        kind: number(64 * 1024, 1024 * MIB, 4 * MIB, "bytes"),
        doc: "Bytes of whole records parsed at once; more than 256 KiB never are, unless a record is longer.",
    },
    Key {
        name: "limits.record_bytes_max",
        kind: number(64 * 1024, 1024 * MIB, 4 * MIB, "bytes"),
        doc: "The longest record. CloudTrail's own limit is 256 KB. A longer one is refused and its object's message parked.",
    },
    Key {
        name: "limits.records_max",
        kind: number(1, 1 << 40, 10_000_000, "records"),
        doc: "The most records an object may hold.",
    },
    Key {
        name: "limits.receive_wait_seconds",
        kind: number(1, 20, 10, "seconds"),
        doc: "How long a receive waits for a message. A begun receive is never dropped, so stopping takes this long.",
    },
    Key {
        name: "limits.visibility_seconds",
        kind: number(3, 43_000, 60, "seconds"),
        doc: "How long a message stays invisible if the process dies. While it lives, the lease is extended.",
    },
    Key {
        name: "limits.drain_seconds",
        kind: number(1, 110, 15, "seconds"),
        doc: "How long begun work may take to finish after SIGTERM, beyond the last receive. What does not finish is given back. Keep this plus `receive_wait_seconds` below the container's stop timeout (ECS: 30).",
    },
    Key {
        name: "queries.archive",
        kind: Kind::List,
        doc: "Where the log objects lie that queries are asked of: places such as `s3://example-logs/AWSLogs/`, or folders that hold `AWSLogs`. Without any, no query is asked.",
    },
    Key {
        name: "queries.paths",
        kind: Kind::List,
        doc: "Files and folders of kept queries; see docs/queries.md. They replace the queries that come with the program; without any, those are asked.",
    },
    Key {
        name: "queries.schedules",
        kind: Kind::Choice(&["auto", "on", "off"]),
        doc: "Whether `run` asks queries by their schedules. `auto` means that it does when `queries.archive` is set.",
    },
    Key {
        name: "queries.state",
        kind: Kind::Text,
        doc: "Where `run` keeps how far scheduled queries have come, and who of a fleet asks: `dynamodb:TABLE`, or the path of a SQLite file for one machine. Without it `respond.state`. Required where queries are scheduled.",
    },
    Key {
        name: "queries.index",
        kind: Kind::Text,
        doc: "Where it is kept which keys, principals and addresses are in which object: `s3://BUCKET/PREFIX`, or a folder. `run` writes it beside the examination, as small segments every 5 minutes; `trailloop query index` brings them together, and queries leave out objects by it. Without it nothing is kept.",
    },
    Key {
        name: "queries.bytes_max",
        kind: number(1024, 1 << 50, 100 << 30, "bytes"),
        doc: "The most bytes of objects, as stored, that one query may read. One that would read more fails before it reads any, and the log says so.",
    },
    Key {
        name: "queries.memory_max",
        kind: number(16 * MIB, 1 << 40, 512 * MIB, "bytes"),
        doc: "What sorts, groups and joins of one query may hold in memory; what can be is put on disk beyond it. Readers take up to 256 MiB of objects beside it.",
    },
    Key {
        name: "queries.seconds_max",
        kind: number(1, 86_400, 600, "seconds"),
        doc: "How long one query may run.",
    },
    Key {
        name: "queries.rows_max",
        kind: number(1, 1_000_000, 10_000, "rows"),
        doc: "The most rows of one window of a scheduled query that become findings. That there are more is logged as an error.",
    },
    Key {
        name: "queries.at_once",
        kind: number(1, 64, 1, "queries"),
        doc: "Scheduled queries that run at once in one process.",
    },
    Key {
        name: "queries.workers",
        kind: number(0, 1024, 0, "threads"),
        doc: "Threads that read for one query, beside those of the stream. 0 means half of the cores, at least one.",
    },
    Key {
        name: "queries.lease_seconds",
        kind: number(2, 3600, 60, "seconds"),
        doc: "How long a scheduled query is left alone after the process that asked it has died. While it lives, the lease is renewed.",
    },
    Key {
        name: "respond.state",
        kind: Kind::Text,
        doc: "Where `trailloop respond` keeps its state: `dynamodb:TABLE`, or the path of a SQLite file for one machine. Required by the commands that run or judge.",
    },
    Key {
        name: "respond.mode",
        kind: Kind::Choice(&["dry_run", "observe", "approve", "auto"]),
        doc: "The most that any runbook may do by itself, whatever it asks for. `dry_run` reads and plans and changes nothing.",
    },
    Key {
        name: "respond.first_day_auto",
        kind: Kind::Flag,
        doc: "Let narrow, reversible actions with a trigger that leaves no doubt (a trail was stopped) be automatic before anybody has judged a rule's findings. Only with `mode = \"auto\"`.",
    },
    Key {
        name: "respond.kill_switch",
        kind: Kind::Text,
        doc: "A file, or `ssm:/NAME`, that holds `off`, `dry-run`, `approve` or `auto`; read again before each change. One that can't be read, or holds another word, allows planning alone.",
    },
    Key {
        name: "respond.archive_buckets",
        kind: Kind::List,
        doc: "The buckets that the trails write to. A finding whose record lies in no such bucket is a forgery. Required by `trailloop respond`.",
    },
    Key {
        name: "respond.runbooks",
        kind: Kind::List,
        doc: "Files and folders of runbooks. They take the place of shipped ones of the same id. With an error in any, `trailloop respond` does not start.",
    },
    Key {
        name: "respond.role",
        kind: Kind::Text,
        doc: "The ARN of the role to assume in the target account, with `{account}` in the place of the account, and `{partition}` if it is to follow the region [default: `arn:aws:iam::{account}:role/trailloop-responder`].",
    },
    Key {
        name: "respond.external_id",
        kind: Kind::Text,
        doc: "The external id that the responder roles demand.",
    },
    Key {
        name: "respond.management_account",
        kind: Kind::Text,
        doc: "The organization's management account, in which nothing is ever changed.",
    },
    Key {
        name: "respond.organization_account",
        kind: Kind::Text,
        doc: "The account from which Organizations and Identity Center are changed: a delegated administrator, with the responder role in it.",
    },
    Key {
        name: "respond.protected",
        kind: Kind::List,
        doc: "Globs of ARNs, and `tag:KEY=VALUE`, that are never acted on: break-glass users and roles.",
    },
    Key {
        name: "respond.regions",
        kind: Kind::List,
        doc: "Regions whose trails are searched for where a credential came from and what it still does, beside the finding's own and us-east-1.",
    },
    Key {
        name: "respond.max_age_seconds",
        kind: number(60, 7 * 86_400, 6 * 3600, "seconds"),
        doc: "An event older than this is not acted on.",
    },
    Key {
        name: "respond.per_hour_account",
        kind: number(0, 10_000, 3, "runs"),
        doc: "Automatic runs an hour of one runbook in one account. What is beyond waits for approval, and somebody is paged.",
    },
    Key {
        name: "respond.per_hour_org",
        kind: number(0, 100_000, 10, "runs"),
        doc: "Automatic runs an hour of one runbook in all accounts.",
    },
    Key {
        name: "respond.watch_seconds",
        kind: number(1, 86_400, 900, "seconds"),
        doc: "How long the effect of a run is watched before it is called contained; a change that somebody reverts is made again and begins the time anew.",
    },
    Key {
        name: "respond.grace_seconds",
        kind: number(0, 3600, 120, "seconds"),
        doc: "How long after a change a success of the credential proves nothing yet, because IAM is eventually consistent.",
    },
    Key {
        name: "respond.tick_seconds",
        kind: number(1, 3600, 5, "seconds"),
        doc: "How often open runs are looked at.",
    },
    Key {
        name: "respond.freeze",
        kind: Kind::List,
        doc: "Times in which nothing is changed without a person, each as `FROM/TO` in RFC 3339.",
    },
    Key {
        name: "respond.simulate_rights",
        kind: Kind::Choice(&["yes", "no"]),
        doc: "Whether the responder role's rights are simulated before a runbook is used in an account for the first time. A right that is missing means approval.",
    },
    Key {
        name: "respond.destinations",
        kind: Kind::List,
        doc: "Who can be told, each as `NAME=KIND:VALUE`: `slack:`, `webhook:` and `pagerduty:` with `file:PATH` of a file that holds the URL or routing key, `sns:` with a topic's ARN, `securityhub:` with a region. The name `default` is told what runbooks tell `default`, unless `respond.routes` says otherwise; a name that the table of principals has as an owner is told what runbooks tell `owner`.",
    },
    Key {
        name: "respond.routes",
        kind: Kind::List,
        doc: "Who is told what runbooks tell `default`, each as `CONDITION, … => NAME, …` with names of `respond.destinations`. Conditions, all of which must hold: `account=GLOB` (several: any of them), `ou=UNIT`, `tag=environment:VALUE` (also `name` and `criticality`), `owner=NAME`, `severity=LEVEL` (at least), `on=KIND` (several: any). Unit, tags and owner come from the tables in `enrichment.folder`. All routes that take an alert are followed; what none takes goes to `default`.",
    },
    Key {
        name: "respond.evidence",
        kind: Kind::Text,
        doc: "Where evidence bundles are kept: `s3://BUCKET/PREFIX` (with Object Lock, the bucket's default retention holds them), or a folder. Without it none are kept.",
    },
    Key {
        name: "respond.link_secret_file",
        kind: Kind::Text,
        doc: "A file of at least 32 bytes with which links and tokens for approval and verdicts are signed. Without it alerts name the commands instead.",
    },
    Key {
        name: "respond.security_hub_verdicts",
        kind: Kind::Flag,
        doc: "Take what people set as a finding's verification state in Security Hub, where it is a destination, for a verdict. Whoever may update findings there can then undo what was done. Needs `securityhub:GetFindings`.",
    },
    Key {
        name: "respond.canaries",
        kind: Kind::Text,
        doc: "Where synthetic events are delivered, each of which must be found: `s3://BUCKET/PREFIX` of a trail's own bucket and what stands before its `AWSLogs/`, or a folder. One for each rule of level high or above that has an example; signed with the secret of `respond.link_secret_file`, judged a test, and a page when it is late. Without it none are sent. Needs the right to put objects there.",
    },
    Key {
        name: "respond.canary_account",
        kind: Kind::Text,
        doc: "The account in which they happen, one that is nobody's: twelve digits [default: `000000000000`].",
    },
    Key {
        name: "respond.canary_hours",
        kind: number(1, 720, 24, "hours"),
        doc: "How often each is sent.",
    },
    Key {
        name: "respond.canary_minutes",
        kind: number(1, 1440, 15, "minutes"),
        doc: "How soon after that its finding has to be there.",
    },
    Key {
        name: "respond.listen",
        kind: Kind::Text,
        doc: "The address and port at which the links in alerts are answered, such as `127.0.0.1:8741`, without TLS: put a proxy before it. Without it nothing listens.",
    },
    Key {
        name: "respond.link_url",
        kind: Kind::Text,
        doc: "The URL under which people reach the links, such as `https://trailloop.example.com/links`.",
    },
    Key {
        name: "api.listen",
        kind: Kind::Text,
        doc: "The address and port at which findings, incidents and verdicts are answered to programs, such as `127.0.0.1:8742`, without TLS: put a proxy before it. `trailloop respond` and `trailloop serve` answer. Without it nothing listens.",
    },
    Key {
        name: "api.token_file",
        kind: Kind::Text,
        doc: "A file with the token, of at least 32 bytes, that who asks the API has to show.",
    },
    Key {
        name: "log.format",
        kind: Kind::Choice(&["json", "text"]),
        doc: "How the log is written to standard error.",
    },
    Key {
        name: "log.level",
        kind: Kind::Choice(&["info", "error", "warn", "debug"]),
        doc: "What is logged. `error` means that a human must look.",
    },
];
