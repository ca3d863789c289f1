//! Who owns a principal, and how much depends on it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::FixedState;
use sha2::{Digest as _, Sha256};

use crate::problem::{Problem, Problems, Reporter, code};
use crate::table::{Column, TABLE_BYTES_MAX, Table, decode, read};
use crate::text::{bounded, quoted};
use crate::wildcard::{TEXT_BYTES_MAX, Wildcard};

/// The most rows whose principal holds a `*`: each is tried in turn.
pub const WILDCARD_ROWS_MAX: usize = 10_000;

const COLUMNS: [Column; 3] = [
    Column { names: &["arn", "principal"], is_key: true },
    Column { names: &["owner"], is_key: false },
    Column { names: &["criticality"], is_key: false },
];

/// What the table says of a principal. Texts are cut at 256 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Who answers for it.
    pub owner: Option<Box<str>>,
    /// How much depends on it, in the operator's words.
    pub criticality: Option<Box<str>>,
}

/// The principal table.
#[derive(Debug)]
pub struct Principals {
    exact: HashMap<Box<str>, Principal, FixedState>,
    /// The longest first, so that the first that matches wins.
    wildcards: Vec<(Wildcard, Principal)>,
    warnings: Vec<Problem>,
    digest: [u8; 32],
    pub(crate) has_owner: bool,
    pub(crate) has_criticality: bool,
}

impl Principals {
    /// Reads a table, CSV or JSON. `path` names it in messages.
    ///
    /// # Errors
    ///
    /// All problems of the file, if one of them refuses it.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let text = decode(path, bytes, TABLE_BYTES_MAX)?;
        let mut reporter = Reporter::new(path, text);
        let table = read(&mut reporter, text, &COLUMNS);
        let principals = collect(&mut reporter, text, &table);
        let has = |part: fn(&Principal) -> bool| principals.values().any(part);
        let has_owner = has(|principal| principal.owner.is_some());
        let has_criticality = has(|principal| principal.criticality.is_some());
        if !has_owner && !has_criticality && reporter.is_good() {
            let message = "no row names an owner or a criticality";
            let help = "write the columns owner and criticality beside arn";
            reporter.warning(0, code::MISSING_COLUMN, message, help);
        }
        let ((), warnings) = reporter.finish(())?;
        let (mut exact, mut wildcards) = (HashMap::default(), Vec::new());
        for (key, principal) in principals {
            if key.contains('*') {
                wildcards.push((key, principal));
            } else {
                exact.insert(Box::from(key), principal);
            }
        }
        wildcards.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let wildcards = wildcards.into_iter().map(|(key, one)| (Wildcard::new(key), one)).collect();
        let digest = Sha256::digest(bytes).into();
        Ok(Self { exact, wildcards, warnings, digest, has_owner, has_criticality })
    }

    /// What is said of a principal: by its own row, else by the longest pattern that it matches.
    #[must_use]
    pub fn get(&self, principal: &str) -> Option<&Principal> {
        let by_pattern = || self.wildcards.iter().find(|(pattern, _)| pattern.matches(principal));
        self.exact.get(principal).or_else(|| by_pattern().map(|(_, found)| found))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What deserves a second look.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn collect<'t>(
    reporter: &mut Reporter<'_>,
    text: &str,
    table: &'t Table,
) -> HashMap<&'t str, Principal, FixedState> {
    let mut principals = HashMap::default();
    let mut places: HashMap<&str, usize, FixedState> = HashMap::default();
    let mut wildcards = 0;
    for row in &table.rows {
        let cell = |nth: usize| row.cells.get(nth).and_then(Option::as_deref);
        let fact = |nth: usize| cell(nth).map(|text| Box::from(bounded(text)));
        let key = cell(0).unwrap_or_default();
        let at = table.place(text, row, 0);
        if key.len() > TEXT_BYTES_MAX {
            let message = format!("{} has more than {TEXT_BYTES_MAX} bytes", quoted(key));
            reporter.error(at, code::TOO_LARGE, message, "write an ARN or a pattern");
            continue;
        }
        wildcards += usize::from(key.contains('*'));
        if wildcards > WILDCARD_ROWS_MAX {
            let message = format!("more than {WILDCARD_ROWS_MAX} principals hold a `*`");
            reporter.error(at, code::TOO_LARGE, message, "write fewer patterns, or whole ARNs");
            break;
        }
        if let Some(role) = session_role(key) {
            let message = format!("{} is a session, and rules see the role behind it", quoted(key));
            reporter.warning(at, code::BAD_PATTERN, message, format!("write {}", quoted(&role)));
        }
        match places.entry(key) {
            Entry::Occupied(earlier) => {
                let (line, column) = reporter.place(*earlier.get());
                let message = format!("{} stands already at {line}:{column}", quoted(key));
                reporter.error(at, code::DUPLICATE_KEY, message, "keep one of the two rows");
            }
            Entry::Vacant(place) => {
                place.insert(at);
                principals.insert(key, Principal { owner: fact(1), criticality: fact(2) });
            }
        }
    }
    principals
}

/// The role's ARN, where an ARN is that of a session.
pub(crate) fn session_role(arn: &str) -> Option<String> {
    let (start, rest) = arn.split_once(":sts::")?;
    let (account, resource) = rest.split_once(":assumed-role/")?;
    let role = resource.split('/').next()?;
    Some(format!("{start}:iam::{account}:role/{role}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner<'p>(principals: &'p Principals, arn: &str) -> Option<&'p str> {
        principals.get(arn)?.owner.as_deref()
    }

    #[test]
    fn exact_wins_and_then_the_longest_pattern() {
        let text = "principal,owner,criticality\n*,anyone,low\narn:aws:iam::*:role/deploy-*,platform,high\n\
                    arn:aws:iam::*:role/*,team,\narn:aws:iam::111122223333:role/deploy-web,web,high\n";
        let principals = Principals::parse("p", text.as_bytes()).unwrap();
        assert_eq!(principals.len(), 4);
        assert!(principals.has_owner && principals.has_criticality && !principals.is_empty());
        for (arn, expected) in [
            ("arn:aws:iam::111122223333:role/deploy-web", "web"),
            ("arn:aws:iam::111122223333:role/deploy-api", "platform"),
            ("arn:aws:iam::111122223333:role/reader", "team"),
            ("arn:aws:iam::111122223333:user/eve", "anyone"),
        ] {
            assert_eq!(owner(&principals, arn), Some(expected), "{arn}");
        }
    }

    #[test]
    fn twice_the_same_is_refused_and_sessions_are_said() {
        let text = r#"[{"arn": "a*", "owner": "x"},
  {"arn": "a*", "owner": "y"},
  {"arn": "arn:aws:sts::111122223333:assumed-role/deploy/ops", "owner": "z"}]"#;
        let problems = Principals::parse("p", text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            problems,
            "p:2:3: error[duplicate-key]: `a*` stands already at 1:2; help: keep one of the two rows\n\
             p:3:3: warning[bad-pattern]: `arn:aws:sts::111122223333:assumed-role/deploy/ops` is a session, \
             and rules see the role behind it; help: write `arn:aws:iam::111122223333:role/deploy`"
        );
    }

    #[test]
    fn patterns_are_bounded() {
        let rows = (0..=WILDCARD_ROWS_MAX).map(|nth| format!("a{nth}*,x\n"));
        let text = format!("arn,owner\n{}", rows.collect::<String>());
        let problems = Principals::parse("p", text.as_bytes()).unwrap_err().0;
        assert_eq!((problems.len(), problems[0].code), (1, code::TOO_LARGE));
        let long = format!("arn,owner\n{},x\n", "a".repeat(TEXT_BYTES_MAX + 1));
        assert_eq!(Principals::parse("p", long.as_bytes()).unwrap_err().0[0].code, code::TOO_LARGE);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(arn|owner|,|\"|\n|\\*|[a-c]){0,40}", arn in ".{0,20}") {
            if let Ok(principals) = Principals::parse("p", text.as_bytes()) {
                prop_assert!(principals.get(&arn).is_none() || !principals.is_empty());
            }
        }
    }
}
