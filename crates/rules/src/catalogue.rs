//! What CloudTrail records: its fields, its event sources with their event names, and which trail keeps which event.
//!
//! The names are data. `events.txt` holds the event names of each source, made by `scripts/make_event_catalogue.py`;
//! `renames.txt` names that are not recorded as they are called; `fields.txt` the fields of a record. No list of names is
//! whole: AWS adds calls every week, and some consoles make calls that no model tells of. So what is not here is
//! unknown, not impossible, and sources that are known to have more names say so.

mod fields;
mod recorded;
mod selectors;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::derived;

pub(crate) use fields::{is_field, is_root, near_field};
pub use recorded::recorded;
pub use selectors::{Selectors, SelectorsError};

/// What is appended to a source in records.
pub(crate) const HOST: &str = ".amazonaws.com";

/// What is known of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// Whether it only reads; `None` where neither its verb nor the catalogue tells.
    pub read_only: Option<bool>,
    /// Among which events a trail counts it.
    pub category: Category,
}

/// The categories by which trails select events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Recorded by every trail that was not told otherwise.
    Management,
    /// Recorded only where a trail selects one of these resource types.
    Data(&'static [&'static str]),
    /// Unusual rates of calls, which CloudTrail finds itself.
    Insight,
    /// Calls through a VPC endpoint.
    NetworkActivity,
}

/// An event source and its names.
pub(crate) struct Source {
    /// Without `.amazonaws.com`.
    pub(crate) name: &'static str,
    /// Whether it is known to have names that are not here.
    pub(crate) is_open: bool,
    lines: Vec<Line>,
}

/// The names of one category.
struct Line {
    /// Empty: management events.
    types: Vec<&'static str>,
    /// In their order without regard to case.
    names: Vec<(&'static str, Option<bool>)>,
}

static SOURCES: LazyLock<Vec<Source>> =
    LazyLock::new(|| sources_of(include_str!("catalogue/events.txt")));

static RENAMES: LazyLock<HashMap<String, Vec<&'static str>>> =
    LazyLock::new(|| renames_of(include_str!("catalogue/renames.txt")));

/// What is known of an event, given by its eventSource and eventName in any case; of several ways in which it may be
/// recorded the first. `None`: the catalogue does not have it.
#[must_use]
pub fn event(source: &str, name: &str) -> Option<EventKind> {
    kinds(source, name).into_iter().next()
}

/// Every way in which an event may be recorded: a few are management events for some callers and data events for
/// others.
#[must_use]
pub fn kinds(source: &str, name: &str) -> Vec<EventKind> {
    self::source(source).map(|source| source.kinds(name)).unwrap_or_default()
}

/// The source of an eventSource, in any case, with `.amazonaws.com` or without.
pub(crate) fn source(event_source: &str) -> Option<&'static Source> {
    let lower = event_source.to_ascii_lowercase();
    let name = lower.strip_suffix(HOST).unwrap_or(&lower);
    let at = SOURCES.binary_search_by(|source| source.name.cmp(name)).ok()?;
    SOURCES.get(at)
}

/// Every source, in the order of their names.
pub(crate) fn sources() -> &'static [Source] {
    &SOURCES
}

/// What CloudTrail writes where a rule says `name`, an IAM action or a call of the SDK; an empty list where nothing is
/// written.
pub(crate) fn renamed(source: &Source, name: &str) -> Option<&'static [&'static str]> {
    RENAMES.get(&format!("{} {}", source.name, name.to_ascii_lowercase())).map(Vec::as_slice)
}

impl Source {
    /// Whether it has an event of this name, with or without the version that Lambda and CloudFront append.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.line_of(name).is_some()
    }

    /// Its names, each as often as it has categories.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.lines.iter().flat_map(|line| line.names.iter().map(|(name, _)| *name))
    }

    /// A name as CloudTrail spells it.
    pub(crate) fn spelled(&self, name: &str) -> Option<&'static str> {
        self.line_of(name).map(|(_, (name, _))| name)
    }

    fn line_of(&self, name: &str) -> Option<(&Line, (&'static str, Option<bool>))> {
        self.lines.iter().find_map(|line| Some((line, line.find(name)?)))
    }

    fn kinds(&'static self, name: &str) -> Vec<EventKind> {
        let kind = |line: &'static Line| {
            let (name, flag) = line.find(name)?;
            let category = match line.types.as_slice() {
                [] => Category::Management,
                types => Category::Data(types),
            };
            Some(EventKind { read_only: flag.or_else(|| reads(name)), category })
        };
        self.lines.iter().filter_map(kind).collect()
    }
}

impl Line {
    fn find(&self, name: &str) -> Option<(&'static str, Option<bool>)> {
        let find = |name: &str| {
            let at = self.names.binary_search_by(|(known, _)| without_case(known, name)).ok()?;
            self.names.get(at).copied()
        };
        find(name).or_else(|| find(derived::api(name)))
    }
}

/// The order of two texts without regard to ASCII's case.
fn without_case(a: &str, b: &str) -> std::cmp::Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

/// Verbs of calls that only read.
const READING: &str = "BatchGet Check Count Describe Detect Discover Estimate Get Head Is List Lookup Preview Query Read \
    Scan Search Select Simulate Validate View";

/// Verbs of calls that change something.
const WRITING: &str = "Abort Accept Activate Add Allocate Apply Associate Attach Authorize BatchDelete BatchPut BatchWrite \
    Cancel Change Complete Confirm Copy Create Deactivate Delete Deregister Detach Disable Disassociate Enable Execute \
    Import Initiate Invite Join Leave Merge Modify Move Publish Purchase Put Reboot Register Reject Remove Replace Reset \
    Restore Resume Revoke Rotate Run Schedule Send Set Share Start Stop Subscribe Suspend Tag Terminate Transfer Unlink \
    Unsubscribe Untag Update Upload Write";

/// Whether a call only reads, by its verb.
fn reads(name: &str) -> Option<bool> {
    let begins = |verbs: &str| {
        verbs.split(' ').any(|verb| {
            let rest = name.strip_prefix(verb);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase()))
        })
    };
    if begins(READING) {
        return Some(true);
    }
    begins(WRITING).then_some(false)
}

/// The lines of a data file without its comments, each as what stands before `: ` and after it.
fn lines_of(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "))
}

fn sources_of(text: &'static str) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for (head, names) in lines_of(text) {
        let (name, types) = head.split_once(' ').unwrap_or((head, ""));
        if sources.last().is_none_or(|last| last.name != name) {
            sources.push(Source { name, is_open: false, lines: Vec::new() });
        }
        let Some(source) = sources.last_mut() else { continue };
        let mut line = Line {
            types: types.split(',').filter(|one| !one.is_empty()).collect(),
            names: Vec::new(),
        };
        for word in names.split(' ') {
            let (name, flag) = match word.rsplit_once(':') {
                Some((name, flag)) => (name, Some(flag == "r")),
                None => (word, None),
            };
            match name {
                "*" => source.is_open = true,
                name => line.names.push((name, flag)),
            }
        }
        source.lines.push(line);
    }
    sources
}

fn renames_of(text: &'static str) -> HashMap<String, Vec<&'static str>> {
    let mut renames = HashMap::new();
    for (source, words) in lines_of(text) {
        for (name, recorded) in words.split(' ').filter_map(|word| word.split_once('=')) {
            let key = format!("{source} {}", name.to_ascii_lowercase());
            renames.insert(key, recorded.split('|').filter(|one| !one.is_empty()).collect());
        }
    }
    renames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_sorted_and_large() {
        assert!(SOURCES.len() > 380, "{}", SOURCES.len());
        assert!(SOURCES.windows(2).all(|pair| pair[0].name < pair[1].name));
        let mut count = 0;
        for source in sources() {
            for line in &source.lines {
                count += line.names.len();
                let is_sorted = |pair: &[(&str, _)]| without_case(pair[0].0, pair[1].0).is_lt();
                assert!(line.names.windows(2).all(is_sorted), "{}", source.name);
            }
        }
        assert!(count > 17_000, "{count}");
    }

    #[test]
    fn renames_lead_to_names_that_exist() {
        for (key, recorded) in &*RENAMES {
            let (source, _) = key.split_once(' ').unwrap();
            let source = self::source(source).unwrap();
            for name in recorded {
                assert!(source.has(name), "{key} {name}");
            }
        }
    }

    #[test]
    fn events_are_found_in_any_case_and_version() {
        for (source, name, read_only, is_data) in [
            ("iam.amazonaws.com", "CreateUser", Some(false), false),
            ("IAM.amazonaws.com", "createuser", Some(false), false),
            ("ec2.amazonaws.com", "DescribeInstances", Some(true), false),
            ("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", Some(false), false),
            ("lambda.amazonaws.com", "Invoke", Some(false), true),
            ("s3.amazonaws.com", "GetObject", Some(true), true),
            ("s3.amazonaws.com", "PutBucketEncryption", Some(false), false),
            ("signin.amazonaws.com", "ConsoleLogin", Some(false), false),
            ("sts.amazonaws.com", "AssumeRole", Some(true), false),
            ("sts.amazonaws.com", "GetFederationToken", Some(false), false),
            ("bedrock.amazonaws.com", "InvokeModel", Some(true), false),
            ("kms.amazonaws.com", "Decrypt", Some(true), false),
            ("dynamodb.amazonaws.com", "Scan", Some(true), true),
            (
                "route53domains.amazonaws.com",
                "TransferDomainToAnotherAwsAccount",
                Some(false),
                false,
            ),
        ] {
            let kind = event(source, name).unwrap_or_else(|| panic!("{source} {name}"));
            assert_eq!(kind.read_only, read_only, "{source} {name}");
            assert_eq!(matches!(kind.category, Category::Data(_)), is_data, "{source} {name}");
        }
        assert_eq!(event("route53.amazonaws.com", "TransferDomain"), None);
        assert_eq!(event("nothing.amazonaws.com", "GetObject"), None);
        assert_eq!(event("", ""), None);
        assert!(kinds("rdsdata.amazonaws.com", "ExecuteStatement").len() == 2);
    }

    /// Records of real accounts say whether they only read; the catalogue must not say otherwise.
    #[test]
    fn verbs_agree_with_real_records() {
        for (source, name, read_only) in [
            ("ec2-instance-connect", "SendSSHPublicKey", false),
            ("ec2", "GetPasswordData", true),
            ("secretsmanager", "BatchGetSecretValue", true),
            ("ssm", "StartSession", false),
            ("ssm", "TerminateSession", false),
            ("sts", "GetCallerIdentity", true),
            ("organizations", "LeaveOrganization", false),
            ("rolesanywhere", "CreateTrustAnchor", false),
        ] {
            assert_eq!(event(source, name).unwrap().read_only, Some(read_only), "{name}");
        }
    }
}
