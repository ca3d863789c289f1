//! The accounts that a request names beside the one that it is made in: whom it lets in, or where it sends things.
//!
//! A rule can't tell them by a search for its own account's number, because whoever makes the request chooses names: a role
//! of the attacker's account may be called `audit-111122223333`.

use super::{Get, text};

/// What [`write`] looks at.
pub(super) const MADE_OF: &[&str] = &["recipientAccountId", "requestParameters"];

/// More accounts of one request are not told.
const ACCOUNTS_MAX: usize = 16;

/// The digits of an account.
const DIGITS: usize = 12;

/// Writes each account once, one a line.
pub(super) fn write(get: Get<'_, '_>, out: &mut String) -> bool {
    let Some(request) = get("requestParameters").filter(|request| !request.is_null()) else {
        return false;
    };
    let own = text(get, "recipientAccountId").unwrap_or_default();
    let mut json = String::new();
    request.write_compact(&mut json);
    let mut found = 0;
    for account in accounts(&json).filter(|account| *account != own) {
        if found < ACCOUNTS_MAX && !out.lines().any(|line| line == account) {
            out.push_str(account);
            out.push('\n');
            found += 1;
        }
    }
    found > 0
}

/// The accounts in compact JSON, also in that which its strings hold.
fn accounts(json: &str) -> impl Iterator<Item = &str> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            if !bytes[at].is_ascii_digit() {
                at += 1;
                continue;
            }
            let start = at;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            if at - start == DIGITS && is_account(&json[..start], bytes.get(at)) {
                return Some(&json[start..at]);
            }
        }
        None
    })
}

/// Whether twelve digits are an account by what stands around them: a whole text, or the fifth part of an ARN. A number is a
/// size or a time: CloudTrail writes accounts as texts.
fn is_account(before: &str, after: Option<&u8>) -> bool {
    match (before.as_bytes().last(), after) {
        // In JSON that a string holds, the quote at the end is escaped.
        (Some(b'"'), Some(b'"' | b'\\')) => true,
        (Some(b':'), Some(b':')) => is_arn(&before[..before.len() - 1]),
        _ => false,
    }
}

/// Whether a text ends in `arn:partition:service:region`.
fn is_arn(text: &str) -> bool {
    let mut parts = text.rsplitn(4, ':');
    let is_plain = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'*'))
    };
    let named = parts.by_ref().take(3).filter(|part| is_plain(part)).count() == 3;
    named && parts.next().is_some_and(|start| start.ends_with("arn"))
}

#[cfg(test)]
mod tests {
    use trailloop_cloudtrail::{Record, RecordBuffer};

    use super::*;

    #[test]
    fn accounts_are_told_from_names_with_twelve_digits() {
        let cases = [
            (r#"{"principal":"444455556666"}"#, "444455556666"),
            (r#"{"principal":"111122223333"}"#, ""),
            (r#"{"bytes":444455556666}"#, ""),
            (
                r#"{"ids":["444455556666","777788889999","444455556666"]}"#,
                "444455556666 777788889999",
            ),
            (r#"{"a":"arn:aws:iam::444455556666:role/x"}"#, "444455556666"),
            (r#"{"a":"arn:aws-cn:lambda:cn-north-1:444455556666:function:f"}"#, "444455556666"),
            // The attacker's role bears the victim's number, and the account is seen all the same.
            (r#"{"a":"arn:aws:iam::444455556666:role/x111122223333"}"#, "444455556666"),
            (r#"{"a":"arn:aws:iam::111122223333:role/444455556666"}"#, ""),
            (r#"{"a":"arn:aws:s3:::bucket-444455556666"}"#, ""),
            (r#"{"a":"arn:aws:iam::aws:policy/AdministratorAccess"}"#, ""),
            (r#"{"roleName":"x:444455556666:y"}"#, ""),
            (r#"{"a":"4444555566667"}"#, ""),
            (
                r#"{"doc":"{\"Statement\":[{\"Principal\":{\"AWS\":\"444455556666\"}}]}"}"#,
                "444455556666",
            ),
            (
                r#"{"doc":"{\"AWS\": [ \"arn:aws:iam::777788889999:root\", \"arn:aws:iam::111122223333:root\" ]}"}"#,
                "777788889999",
            ),
            ("null", ""),
        ];
        for (request, expected) in cases {
            let json =
                format!(r#"{{"recipientAccountId":"111122223333","requestParameters":{request}}}"#);
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
            let get = |path: &str| record.get(&path.split('.').collect::<Vec<_>>());
            let mut out = String::new();
            assert_eq!(write(&get, &mut out), !expected.is_empty(), "{request}");
            assert_eq!(out.lines().collect::<Vec<_>>().join(" "), expected, "{request}");
        }
    }

    #[test]
    fn a_request_of_nothing_but_accounts_is_bounded() {
        let ids: Vec<String> = (0..5_000).map(|nth| format!("\"{:012}\"", 100 + nth)).collect();
        let json = format!(r#"{{"requestParameters":{{"ids":[{}]}}}}"#, ids.join(","));
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        let get = |path: &str| record.get(&path.split('.').collect::<Vec<_>>());
        let mut out = String::new();
        assert!(write(&get, &mut out));
        assert_eq!(out.lines().count(), ACCOUNTS_MAX);
    }
}
