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
    let tag = tag.strip_prefix("attack.")?;
    TACTICS.into_iter().find(|(_, name)| is_slug(tag, name))
}

/// The id of the technique that a tag names, such as `T1098.001`.
#[must_use]
pub fn technique_of(tag: &str) -> Option<String> {
    let number = technique_number(tag)?;
    Some(["T", number].concat())
}

/// The same without its letter.
pub(crate) fn technique_number(tag: &str) -> Option<&str> {
    let number = tag.strip_prefix("attack.")?.strip_prefix(['t', 'T'])?;
    let is_number =
        number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_number.then_some(number)
}

/// Whether a tag, without `attack.`, spells this name: in lower case, with `-` or `_` between the words.
fn is_slug(tag: &str, name: &str) -> bool {
    let spelled = |(tag, name): (u8, u8)| match name {
        b' ' => matches!(tag, b'-' | b'_'),
        _ => tag == name.to_ascii_lowercase(),
    };
    tag.len() == name.len() && tag.bytes().zip(name.bytes()).all(spelled)
}
