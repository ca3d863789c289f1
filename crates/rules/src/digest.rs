//! What a rule and a rule set are known by: a hash of what they say, wherever their files lie.
//!
//! A finding names both, so that whoever acts on it later can ask the same rule again, and so that two services can be
//! told apart by what they run. Comments and white space do not count; all else does, texts and examples included.

use trailloop_finding::sha256;

use crate::filter::Filter;
use crate::lists::Lists;
use crate::rule::Rule;
use crate::yaml::{Data, Node};

/// The hash of a document and of the lists that it names, in hex.
pub(crate) fn of_document(document: &Node, lists: &Lists) -> String {
    let mut bytes = Vec::new();
    write(document, lists, &mut bytes);
    sha256(&bytes)
}

/// The hash of rules and filters together, in hex; their order does not matter.
pub(crate) fn of_set(rules: &[Rule], filters: &[Filter]) -> String {
    let mut digests: Vec<&str> = rules.iter().map(|rule| rule.analytic.hash.as_str()).collect();
    digests.extend(filters.iter().map(|filter| filter.digest.as_str()));
    digests.sort_unstable();
    sha256(digests.join("\n").as_bytes())
}

/// Appends a node so that no two different ones read alike: each text goes with its length.
fn write(node: &Node, lists: &Lists, out: &mut Vec<u8>) {
    match &node.data {
        Data::Scalar(scalar) => {
            out.push(if scalar.plain { b'p' } else { b'q' });
            write_text(&scalar.text, out);
            lists.visit_named(&scalar.text, &mut |value| write_text(value, out));
        }
        Data::Sequence(nodes) => {
            out.push(b'[');
            nodes.iter().for_each(|node| write(node, lists, out));
            out.push(b']');
        }
        Data::Mapping(entries) => {
            out.push(b'{');
            for (key, value) in entries {
                write(key, lists, out);
                write(value, lists, out);
            }
            out.push(b'}');
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use crate::{Lists, RuleSet, load_with};

    const RULE: &str = "title: T\nid: 6ae94a3d-1427-549d-af10-b358f231e70c\nlevel: low\n\
        logsource: {product: aws, service: cloudtrail}\n\
        detection:\n  a: {userAgent|expand: '%agents%'}\n  condition: a\n";

    fn hash(path: &str, text: &str, agents: &str) -> String {
        let mut lists = Lists::new();
        assert_eq!(lists.add("lists/agents.txt", agents), None);
        let loaded = load_with(path, text, &lists);
        let set = RuleSet::build(loaded.rules, &loaded.filters, &mut Vec::new());
        assert_eq!(set.len(), 1);
        assert_eq!(set.hash().len(), 64);
        assert_eq!(set.rule(0).analytic.hash.len(), 64);
        set.hash().to_owned()
    }

    #[test]
    fn a_set_is_known_by_what_it_says_and_not_by_where_it_lies() {
        let first = hash("a.yml", RULE, "x\n");
        assert_eq!(first, hash("b/c.yml", &format!("# a comment\n{RULE}"), "# one\nx\n"));
        assert_ne!(first, hash("a.yml", &RULE.replace("low", "high"), "x\n"));
        assert_ne!(first, hash("a.yml", RULE, "x\ny\n"), "the list counts");
    }

    #[test]
    fn filters_count_and_order_does_not() {
        let other = RULE.replace("6ae9", "7ae9");
        let filter = "title: F\nlogsource: {product: aws, service: cloudtrail}\n\
            filter:\n  f: {userAgent: z}\n  condition: not f\n";
        let hash = |text: String| {
            let mut lists = Lists::new();
            assert_eq!(lists.add("agents.txt", "x"), None);
            let loaded = load_with("a.yml", &text, &lists);
            RuleSet::build(loaded.rules, &loaded.filters, &mut Vec::new()).hash().to_owned()
        };
        let both = hash(format!("{RULE}---\n{other}"));
        assert_eq!(both, hash(format!("{other}---\n{RULE}")));
        assert_ne!(both, hash(format!("{RULE}---\n{other}---\n{filter}")));
    }
}
