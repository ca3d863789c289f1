//! The rules this project ships, embedded, each with its examples.
//!
//! Every file lies under `rules/`, by ATT&CK tactic, and carries at least one record that it matches and one that it
//! does not; the tests of this crate hold that.

mod follows;
pub mod queries;
mod rates;
pub mod runbooks;
mod version;

use include_dir::{Dir, include_dir};
use trailloop_rules::{Loaded, demand_tests, load};

pub use follows::follows;
pub use rates::{RATES, Rates, rates};
pub use version::VERSION;

static RULES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// The rule files: path and text, in the order of their paths.
#[must_use]
pub fn files() -> Vec<(&'static str, &'static str)> {
    let mut files = Vec::new();
    collect(&RULES, &mut files);
    files.retain(|(path, _)| path.ends_with(".yml"));
    files.sort_unstable();
    files
}

fn collect(dir: &'static Dir<'static>, files: &mut Vec<(&'static str, &'static str)>) {
    files.extend(
        dir.files().filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?))),
    );
    for inner in dir.dirs() {
        collect(inner, files);
    }
}

/// The shipped rules, loaded. One without an example that it matches and one that it does not is rejected.
#[must_use]
pub fn shipped() -> Loaded {
    let mut shipped = Loaded::default();
    for (path, text) in files() {
        shipped.extend(load(path, text));
    }
    demand_tests(shipped)
}

/// The bytes of a file that an example of a shipped rule names: `path` is the rule's, `file` the example's.
///
/// # Errors
///
/// If there is no such file, with the path that was looked for.
pub fn example_file(path: &str, file: &str) -> Result<Vec<u8>, String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let wanted = format!("{folder}/{file}");
    let found = RULES.get_file(wanted.trim_start_matches('/'));
    found.map(|file| file.contents().to_vec()).ok_or_else(|| format!("no file {wanted} is shipped"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_of_what_follows_knows_the_shipped_rules() {
        let follows: trailloop_feedback::Follows =
            serde_json::from_str(include_str!("../follows.json")).unwrap();
        assert_eq!(&follows, super::follows());
        assert!(follows.attacks() > 30, "{}", follows.attacks());
    }

    use std::collections::BTreeSet;

    use trailloop_rules::{RuleSet, run_tests};

    use super::*;

    /// The folders of rules that are not about attacks.
    const PACKS: [&str; 3] = ["compliance", "cost", "change"];

    #[test]
    fn every_file_is_one_rule_without_a_complaint() {
        let shipped = shipped();
        let complaints: Vec<String> = shipped.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(complaints, Vec::<String>::new());
        assert_eq!(shipped.rules.len(), files().len());
        let of_attacks = shipped.rules.iter().filter(|rule| rule.pack.is_none()).count();
        assert!(of_attacks >= 110, "{of_attacks} rules of attacks");
        let mut diagnostics = Vec::new();
        let set = RuleSet::build(shipped.rules, &[], &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        assert_eq!(set.len(), files().len());
    }

    #[test]
    fn every_rule_has_a_hit_and_a_miss_and_passes_its_examples() {
        for rule in shipped().rules {
            let expectations: BTreeSet<bool> = rule.tests.iter().map(|test| test.expect).collect();
            assert_eq!(expectations.len(), 2, "{} needs a hit and a miss", rule.path);
            for outcome in run_tests(&rule, &|file| example_file(&rule.path, file)) {
                assert!(outcome.is_passed(), "{}: {outcome:?}", rule.path);
            }
        }
    }

    #[test]
    fn every_rule_says_who_why_and_where_it_stands() {
        for rule in shipped().rules {
            let about = &rule.analytic;
            assert!(
                about.description.as_ref().is_some_and(|text| text.len() > 30),
                "{}",
                rule.path
            );
            assert!(about.author.is_some(), "{}", rule.path);
            assert!(!about.references.is_empty(), "{}", rule.path);
            assert!(!about.falsepositives.is_empty(), "{}", rule.path);
            assert!(about.runbook.as_ref().is_some_and(|text| text.len() > 30), "{}", rule.path);
            assert!(
                rule.level_reason.as_ref().is_some_and(|text| text.len() > 30),
                "{}",
                rule.path
            );
            let folder = rule.path.split('/').next().unwrap();
            let is_pack = PACKS.contains(&folder);
            assert_eq!(rule.pack.as_deref(), is_pack.then_some(folder), "{}", rule.path);
            let names_technique = about.tags.iter().any(|tag| tag.starts_with("attack.t"));
            assert!(names_technique || is_pack, "{}", rule.path);
        }
    }

    #[test]
    fn titles_are_told_apart() {
        let mut titles = BTreeSet::new();
        for rule in shipped().rules {
            assert!(
                titles.insert(rule.analytic.name.clone()),
                "{} stands twice",
                rule.analytic.name
            );
        }
    }
}
