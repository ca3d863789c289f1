//! The character sets and lengths that AWS documents for names and ids. What is not of them never reaches a call.

/// The bytes that IAM lets names and session names be made of: `[\w+=,.@-]`.
fn is_name(text: &str, least: usize, most: usize) -> bool {
    is_of(text, least, most, |byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

fn is_of(text: &str, least: usize, most: usize, is_allowed: impl Fn(u8) -> bool) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn is_upper_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// An account: twelve digits.
#[must_use]
pub(crate) fn is_account(text: &str) -> bool {
    is_of(text, 12, 12, |byte| byte.is_ascii_digit())
}

/// A region, such as `eu-central-1`.
#[must_use]
pub(crate) fn is_region(text: &str) -> bool {
    is_of(text, 4, 32, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The name of a service in an ARN.
pub(super) fn is_service(text: &str) -> bool {
    is_of(text, 1, 40, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The name of an IAM user.
#[must_use]
pub(crate) fn is_user_name(text: &str) -> bool {
    is_name(text, 1, 64)
}

/// The name of an IAM role.
#[must_use]
pub(crate) fn is_role_name(text: &str) -> bool {
    is_name(text, 1, 64)
}

/// The name of a group, or of a managed or an inline policy.
#[must_use]
pub(crate) fn is_policy_name(text: &str) -> bool {
    is_name(text, 1, 128)
}

/// The name of a role's session.
#[must_use]
pub(crate) fn is_session_name(text: &str) -> bool {
    is_name(text, 2, 64)
}

/// The id of an access key of this prefix, `AKIA` or `ASIA`. AWS documents 16 to 128 characters of `\w`; all that it hands out
/// are capitals and digits.
#[must_use]
pub(crate) fn is_key(text: &str, prefix: &str) -> bool {
    text.starts_with(prefix) && is_of(text, 16, 128, is_upper_or_digit)
}

/// The unique id of an IAM user or role of this prefix, `AIDA` or `AROA`.
pub(super) fn is_unique_id(text: &str, prefix: &str) -> bool {
    text.starts_with(prefix) && is_of(text, 16, 128, is_upper_or_digit)
}

/// `PREFIX-` and 8 to 17 letters or digits: the ids of EC2. AWS hands out hexadecimal digits; logs that were made anonymous
/// have other letters, and those do no harm in a call.
#[must_use]
pub(crate) fn is_ec2_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| is_of(rest, 8, 17, |byte| byte.is_ascii_alphanumeric()))
}

/// An instance by the session name that EC2 gives to its role's session: `i-` and 8 or 17 hexadecimal digits.
pub(super) fn is_instance_session(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|rest| is_of(rest, 8, 17, is_lower_hex))
}

/// The name of a bucket.
#[must_use]
pub(crate) fn is_bucket(text: &str) -> bool {
    is_of(text, 3, 63, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
    }) && !text.starts_with(['.', '-'])
        && !text.contains("..")
}

/// The name of a trail: letters, digits, `.`, `_` and `-`.
#[must_use]
pub(crate) fn is_trail(text: &str) -> bool {
    is_of(text, 3, 128, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The id of a KMS key: a UUID, or `mrk-` and 32 hexadecimal digits.
#[must_use]
pub(crate) fn is_kms_key(text: &str) -> bool {
    is_uuid(text) || text.strip_prefix("mrk-").is_some_and(|rest| is_of(rest, 32, 32, is_lower_hex))
}

/// `8-4-4-4-12` hexadecimal digits.
#[must_use]
pub(crate) fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let is_whole = [8, 4, 4, 4, 12].into_iter().all(|length| {
        groups
            .next()
            .is_some_and(|group| is_of(group, length, length, |byte| byte.is_ascii_hexdigit()))
    });
    is_whole && groups.next().is_none()
}

/// The id of a user of an identity store: a UUID, before which ten hexadecimal digits may stand.
pub(super) fn is_identity_user(text: &str) -> bool {
    let after = match text.split_at_checked(10) {
        Some((before, rest)) if before.bytes().all(is_lower_hex) => rest.strip_prefix('-'),
        _ => None,
    };
    is_uuid(after.unwrap_or(text))
}

/// The id of an identity store: `d-` and ten hexadecimal digits, or a UUID.
pub(super) fn is_identity_store(text: &str) -> bool {
    text.strip_prefix("d-").is_some_and(|rest| is_of(rest, 10, 10, is_lower_hex)) || is_uuid(text)
}

/// The permission set and nothing else of `AWSReservedSSO_SET_0123456789abcdef`.
pub(super) fn permission_set(role: &str) -> Option<&str> {
    let (set, suffix) = role.strip_prefix(RESERVED_SSO)?.rsplit_once('_')?;
    (is_name(set, 1, 32) && is_of(suffix, 16, 16, is_lower_hex)).then_some(set)
}

/// How the names of Identity Center's roles begin.
pub(super) const RESERVED_SSO: &str = "AWSReservedSSO_";

/// A service as `invokedBy` has it: `cloudformation.amazonaws.com`, `AWS Internal`.
pub(super) fn is_invoker(text: &str) -> bool {
    let is_host = is_of(text, 5, 128, |byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        && (text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn"));
    is_host || text == "AWS Internal"
}

/// The name of a function, without its ARN.
#[must_use]
pub(crate) fn is_function(text: &str) -> bool {
    is_of(text, 1, 140, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Letters, digits, `_` and `-`: statement ids, detectors, recorders, database snapshots (which may hold `:`).
#[must_use]
pub(crate) fn is_plain(text: &str, most: usize) -> bool {
    is_of(text, 1, most, |byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_characters_and_lengths_of_aws() {
        assert!(is_user_name("alice.b+c=d,e@f-g_h"));
        assert!(is_user_name(&"a".repeat(64)) && !is_user_name(&"a".repeat(65)));
        for bad in ["", "al ice", "al/ice", "al\nice", "alicé", "{{x}}", "a'b", "*"] {
            assert!(!is_user_name(bad) && !is_session_name(bad) && !is_bucket(bad), "{bad}");
        }
        assert!(is_key("AKIAIOSFODNN7EXAMPLE", "AKIA"));
        for bad in ["AKIA", "AKIAiosfodnn7example", "ASIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPL*"]
        {
            assert!(!is_key(bad, "AKIA"), "{bad}");
        }
        assert!(!is_bucket("..") && !is_bucket("a..b") && is_bucket("logs.example.com"));
        assert!(is_kms_key("mrk-1234abcd12ab34cd56ef1234567890ab"));
        assert!(is_kms_key("1234abcd-12ab-34cd-56ef-1234567890ab"));
        assert!(!is_kms_key("alias/payments"));
    }

    #[test]
    fn ids_of_identity_center() {
        assert!(is_identity_user("1234567890-1234abcd-12ab-34cd-56ef-1234567890ab"));
        assert!(is_identity_user("1234abcd-12ab-34cd-56ef-1234567890ab"));
        assert!(!is_identity_user("1234567890-alice") && !is_identity_user("é234567890-alice"));
        assert!(is_identity_store("d-1234567890") && !is_identity_store("d-12345"));
        let role = "AWSReservedSSO_Power_User_0123456789abcdef";
        assert_eq!(permission_set(role), Some("Power_User"));
        assert_eq!(permission_set("AWSReservedSSO_Power_0123456789ABCDEF"), None);
        assert_eq!(permission_set("AWSReservedSSO__0123456789abcdef"), None);
    }

    #[test]
    fn instances_by_their_session() {
        assert!(is_instance_session("i-0123456789abcdef0") && is_instance_session("i-1a2b3c4d"));
        for bad in ["i-", "i-alice", "i-0123456789ABCDEF0", "i-0123456789abcdef01"] {
            assert!(!is_instance_session(bad), "{bad}");
        }
    }
}
