//! An alert for any other tool: JSON, signed so that the other side can tell that it is ours and fresh.
//!
//! `X-Trailloop-Timestamp` is the time of sending in seconds of Unix time; `X-Trailloop-Signature` is `v1=` and the HMAC-SHA256, in
//! lower-case hexadecimal, of the timestamp, a full stop and the body. A receiver compares in constant time and refuses a timestamp
//! that is more than five minutes off.

use std::collections::BTreeMap;

use trailloop_cloud::Post;

use crate::alert::Alert;
use crate::token::Secret;

/// The header with the time.
pub const TIMESTAMP: &str = "X-Trailloop-Timestamp";

/// The header with the signature.
pub const SIGNATURE: &str = "X-Trailloop-Signature";

/// How far a timestamp may be off, in seconds.
pub const SKEW_SECONDS_MAX: i64 = 300;

/// The request.
#[must_use]
pub fn render(alert: &Alert, destination: &str, url: &str, secret: &Secret, now_s: i64) -> Post {
    signed(alert.to_json().to_string(), destination, url, secret, now_s)
}

/// A request with this body.
#[must_use]
pub fn signed(body: String, destination: &str, url: &str, secret: &Secret, now_s: i64) -> Post {
    let signature = secret.sign_hex(&[now_s.to_string().as_bytes(), b".", body.as_bytes()]);
    let headers = BTreeMap::from([
        (TIMESTAMP.to_owned(), now_s.to_string()),
        (SIGNATURE.to_owned(), format!("v1={signature}")),
    ]);
    Post { destination: destination.to_owned(), url: url.to_owned(), headers, body }
}

/// What a receiver does: whether the signature is ours, of this body, and fresh.
#[must_use]
pub fn is_ours(timestamp: &str, signature: &str, body: &str, secret: &Secret, now_s: i64) -> bool {
    let is_fresh = (timestamp.parse::<i64>())
        .is_ok_and(|sent| now_s.abs_diff(sent) <= SKEW_SECONDS_MAX.unsigned_abs());
    let Some(signature) = signature.strip_prefix("v1=") else { return false };
    is_fresh && secret.is_signature_hex(&[timestamp.as_bytes(), b".", body.as_bytes()], signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Kind, hostile};

    fn secret() -> Secret {
        Secret::new(b"0123456789abcdef0123456789abcdef".to_vec()).unwrap()
    }

    #[test]
    fn a_receiver_knows_what_is_ours() {
        let post =
            signed("{}".into(), "soar", "https://soar.example.com/", &secret(), 1_795_510_800);
        let (time, signature) = (&post.headers[TIMESTAMP], &post.headers[SIGNATURE]);
        // printf '1795510800.{}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(
            signature,
            "v1=504fe1b69b2abec6df8c1c3b61fd40c4fd85205114baca052c13707c5a8213bb"
        );
        assert!(is_ours(time, signature, &post.body, &secret(), 1_795_510_800 + 300));
        assert!(!is_ours(time, signature, &post.body, &secret(), 1_795_510_800 + 301));
        assert!(!is_ours(time, signature, &post.body, &secret(), i64::MIN));
        assert!(!is_ours(time, signature, "{} ", &secret(), 1_795_510_800));
        assert!(!is_ours("1795510801", signature, &post.body, &secret(), 1_795_510_800));
        assert!(!is_ours(time, &signature[3..], &post.body, &secret(), 1_795_510_800));
        assert!(!is_ours(time, "v1=", &post.body, &secret(), 1_795_510_800));
    }

    #[test]
    fn the_body_says_all_and_no_text_of_a_record_adds_a_member() {
        for text in hostile::texts() {
            let alert = hostile::alert(Kind::Refused, &text);
            let post = render(&alert, "soar", "https://soar.example.com/", &secret(), 0);
            let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
            assert_eq!(body["kind"], "refused");
            assert_eq!(body.as_object().unwrap().len(), 21);
            assert!(post.body.len() < 1 << 20, "{}", post.body.len());
        }
    }
}
