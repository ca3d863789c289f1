//! Which rules these are: a version for people, and the hash that makes it honest.

/// The version of the shipped rules: the day they changed last, with a number if that is not enough.
pub const VERSION: &str = "2026.11.26";

/// The hash of the rule set of that version, as findings name it.
#[cfg(test)]
const HASH: &str = "104f09f9a707f4ab62c6fdff1c3ce1a38501927f801047ee1184947a7dde6059";

#[cfg(test)]
mod tests {
    use trailloop_rules::RuleSet;

    use super::*;

    #[test]
    fn rules_that_change_get_another_version() {
        let set = RuleSet::build(crate::shipped().rules, &[], &mut Vec::new());
        assert_eq!(
            set.hash(),
            HASH,
            "the shipped rules have changed: give them a new VERSION, and write this HASH beside it"
        );
    }
}
