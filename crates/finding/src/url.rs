//! Secrets in URLs, and text as URLs encode it.

use memchr::memchr_iter;

use crate::redact::REDACTED;

/// Parameters of presigned URLs that are as good as a password.
const SECRET_PARAMETERS: [&[u8]; 2] = [b"x-amz-signature=", b"x-amz-security-token="];

/// The text with the values of secret URL parameters replaced, if it has any.
pub(crate) fn redact_parameters(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for equals in memchr_iter(b'=', text.as_bytes()) {
        let start = equals + 1;
        let ends_in_parameter = |parameter: &&[u8]| {
            let from = start.checked_sub(parameter.len());
            from.is_some_and(|from| text.as_bytes()[from..start].eq_ignore_ascii_case(parameter))
        };
        // A value may hold another parameter, which is hidden with it.
        if start < copied || !SECRET_PARAMETERS.iter().any(ends_in_parameter) {
            continue;
        }
        let ends = |c: char| c == '&' || c == '"' || c == '\\' || c.is_whitespace();
        let length = text[start..].find(ends).unwrap_or(text.len() - start);
        if length > 0 && &text[start..start + length] != REDACTED {
            out.push_str(&text[copied..start]);
            out.push_str(REDACTED);
            copied = start + length;
        }
    }
    (copied > 0).then(|| out + &text[copied..])
}

/// Text that looks like URL-encoded JSON, decoded.
pub(crate) fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let is_json = |at: usize| matches!(text.get(at..at + 3), Some(b"%7B" | b"%7b" | b"%22"));
    if !memchr_iter(b'%', text).any(is_json) {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digits = match text.get(at..at + 3) {
            Some([b'%', high, low]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        decoded.push(digits.map_or(byte, |(high, low)| high << 4 | low));
        at += if digits.is_some() { 3 } else { 1 };
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_secret_parameters_go() {
        let redacted = |text| redact_parameters(text);
        assert_eq!(redacted("https://h/?a=b&x-amz-signatur=c"), None);
        assert_eq!(redacted("X-Amz-Signature=[redacted]&x-amz-signature="), None);
        assert_eq!(
            redacted("https://h/?X-Amz-Signature=S&a=b&X-AMZ-SECURITY-TOKEN=T\"é"),
            Some(
                "https://h/?X-Amz-Signature=[redacted]&a=b&X-AMZ-SECURITY-TOKEN=[redacted]\"é"
                    .into()
            )
        );
    }

    #[test]
    fn a_parameter_in_the_value_of_another_goes_with_it() {
        let text = "x-amz-signature=x-amz-security-token=x-amz-signature=S&x-amz-signature=T";
        let expected = "x-amz-signature=[redacted]&x-amz-signature=[redacted]";
        assert_eq!(redact_parameters(text).unwrap(), expected);
    }

    #[test]
    fn only_what_looks_like_json_is_decoded() {
        assert_eq!(percent_decoded(b"100%25 {"), None);
        assert_eq!(percent_decoded(b"%7b%%zz%2%22%fF%").unwrap(), b"{%%zz%2\"\xff%");
    }
}
