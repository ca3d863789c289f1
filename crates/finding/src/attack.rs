//! ATT&CK in a rule's tags: `attack.persistence` names a tactic, `attack.t1098.001` a technique.

/// ATT&CK's enterprise tactics, as of version 19, which split Defense Evasion into Stealth and Defense Impairment;
/// the old name is still on many rules.
const TACTICS: [(&str, &str); 16] = [
    ("TA0043", "Reconnaissance"),
    ("TA0042", "Resource Development"),
    ("TA0001", "Initial Access"),
    ("TA0002", "Execution"),
    ("TA0003", "Persistence"),
    ("TA0004", "Privilege Escalation"),
    ("TA0005", "Stealth"),
    ("TA0005", "Defense Evasion"),
    ("TA0112", "Defense Impairment"),
    ("TA0006", "Credential Access"),
    ("TA0007", "Discovery"),
    ("TA0008", "Lateral Movement"),
    ("TA0009", "Collection"),
    ("TA0011", "Command and Control"),
    ("TA0010", "Exfiltration"),
    ("TA0040", "Impact"),
];

/// The id and name of the tactic that a tag names.
#[must_use]
pub fn tactic_of(tag: &str) -> Option<(&'static str, &'static str)> {
    let tag = tag.strip_prefix("attack.")?.replace('_', "-");
    TACTICS.into_iter().find(|(_, name)| slug(name) == tag)
}

/// The id of the technique that a tag names, such as `T1098.001`.
#[must_use]
pub fn technique_of(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.").filter(|tag| is_technique(tag))?;
    Some(id.to_ascii_uppercase())
}

fn slug(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "-")
}

/// Whether a tag, without `attack.`, names a technique: `t1098` or `t1098.001`.
fn is_technique(tag: &str) -> bool {
    tag.strip_prefix(['t', 'T']).is_some_and(|digits| {
        digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}
