//! Signed links, by which a person who has no access to this program agrees to a plan or gives a verdict.
//!
//! A token is `v1.PAYLOAD.SIGNATURE`: the payload as JSON in base64url, and the HMAC-SHA256 of all before the second full stop. It is
//! bound to the runbook's hash and the parameters, so that what was shown is what is agreed to; it ends; and it is good for one use: who
//! takes it first writes the row [`Claims::row`] into the table, if absent, and acts only if that was written.
//!
//! A GET of the link must change nothing: mail scanners and chat previews follow links. The page behind it shows what would be
//! done, and a button that posts the token does it.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use trailloop_cloud::RowKey;
use trailloop_finding::sha256;

use crate::ocsf::Verdict;

/// The shortest secret: as many bytes as the hash has.
pub const SECRET_BYTES_MIN: usize = 32;

/// The longest token: it has to fit into a chat button.
pub const TOKEN_BYTES_MAX: usize = 2_000;

/// A key for signatures. It is never shown.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The secret is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret for signatures has {0} bytes; give it at least 32, such as 64 hexadecimal digits from openssl rand -hex 32"
)]
pub struct ShortSecret(pub usize);

impl Secret {
    /// A secret of at least [`SECRET_BYTES_MIN`] bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ShortSecret> {
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(ShortSecret(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// The HMAC-SHA256 of these parts, one after the other.
    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(_) => unreachable!("HMAC takes keys of any length"),
        };
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    /// The signature of these parts, in hexadecimal.
    pub(crate) fn sign_hex(&self, parts: &[&[u8]]) -> String {
        let bytes = self.mac(parts).finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this is the signature of these parts; in constant time.
    pub(crate) fn is_signature_hex(&self, parts: &[&[u8]], signature: &str) -> bool {
        let Some(bytes) = from_hex(signature) else { return false };
        self.mac(parts).verify_slice(&bytes).is_ok()
    }

    /// A token that says this.
    #[must_use]
    pub fn issue(&self, claims: &Claims) -> String {
        let signed = format!("v1.{}", to_base64url(claims.to_json().to_string().as_bytes()));
        let signature = self.mac(&[signed.as_bytes()]).finalize().into_bytes();
        format!("{signed}.{}", to_base64url(&signature))
    }

    /// What a token says, if it is ours and has not ended. Whether it was used before only the table knows.
    pub fn verify(&self, token: &str, now_s: i64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let payload = signed.strip_prefix("v1.").ok_or(TokenError::Malformed)?;
        let signature = from_base64url(signature).ok_or(TokenError::Malformed)?;
        // Nothing of the payload is looked at before it is known to be ours.
        let mac = self.mac(&[signed.as_bytes()]);
        mac.verify_slice(&signature).map_err(|_| TokenError::Signature)?;
        let claims = from_base64url(payload)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .and_then(|json| Claims::from_json(&json))
            .ok_or(TokenError::Malformed)?;
        if now_s >= claims.expires_s {
            return Err(TokenError::Expired(claims.expires_s));
        }
        Ok(claims)
    }

    /// A nonce that is the same whenever it is made of the same parts, so that an alert that is sent twice holds one use, not two.
    #[must_use]
    pub fn nonce(&self, parts: &[&str]) -> String {
        let mut bytes = b"trailloop nonce".to_vec();
        for part in parts {
            bytes.extend(part.len().to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        let mut nonce = self.sign_hex(&[&bytes]);
        nonce.truncate(32);
        nonce
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // So that the optimizer may not leave out what nobody reads.
        std::hint::black_box(&mut self.0);
    }
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Agree to a run.
    Approve,
    /// Refuse a run.
    Reject,
    /// Give a finding this verdict.
    Verdict(Verdict),
}

impl Action {
    /// The name in tokens, such as `approve` or `true_positive`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Verdict(verdict) => verdict.name(),
        }
    }

    /// The action of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            verdict => Verdict::parse(verdict).map(Self::Verdict),
        }
    }
}

/// What a token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// What it allows.
    pub action: Action,
    /// The run's id; of a verdict, the finding's.
    pub subject: String,
    /// To whom it was given: one of the runbook's approvers, or the destination's name. Whoever holds it counts as them.
    pub holder: String,
    /// The runbook's hash; empty for a verdict.
    pub runbook_sha256: String,
    /// See [`parameters_sha256`]; empty for a verdict.
    pub parameters_sha256: String,
    /// When it ends, in seconds of Unix time.
    pub expires_s: i64,
    /// What makes it good for one use.
    pub nonce: String,
}

impl Claims {
    /// The row that uses the token up: written if absent, before anything is done.
    #[must_use]
    pub fn row(&self) -> RowKey {
        RowKey::new("token", sha256(self.nonce.as_bytes()))
    }

    fn to_json(&self) -> Value {
        json!({
            "a": self.action.name(),
            "s": self.subject,
            "w": self.holder,
            "r": self.runbook_sha256,
            "p": self.parameters_sha256,
            "e": self.expires_s,
            "n": self.nonce,
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            action: Action::parse(&text("a")?)?,
            subject: text("s")?,
            holder: text("w")?,
            runbook_sha256: text("r")?,
            parameters_sha256: text("p")?,
            expires_s: json.get("e").and_then(Value::as_i64)?,
            nonce: text("n")?,
        })
    }
}

/// Claims and signature are the token, so the nonce is not shown.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("action", &self.action)
            .field("subject", &self.subject)
            .field("holder", &self.holder)
            .field("expires_s", &self.expires_s)
            .finish_non_exhaustive()
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of ours by its form.
    #[error("this is not a token; copy the link whole")]
    Malformed,
    /// It was altered, or signed with another secret.
    #[error("the token's signature is not ours; ask for a new link")]
    Signature,
    /// It ended at this time, in seconds of Unix time.
    #[error("the link expired at {}; ask for a new one", crate::time::rfc3339(.0.saturating_mul(1000)))]
    Expired(i64),
}

/// The link with a token. `base` is where this program's pages are, such as `https://trailloop.example.com`.
#[must_use]
pub fn url(base: &str, token: &str) -> String {
    format!("{}/links?t={token}", base.trim_end_matches('/'))
}

/// What an approval is bound to beside the runbook: the SHA-256 of the parameters as JSON, members in order of their names at every depth.
#[must_use]
pub fn parameters_sha256(parameters: &Map<String, Value>) -> String {
    sha256(sorted(&Value::Object(parameters.clone())).to_string().as_bytes())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by(|one, other| one.0.cmp(other.0));
            members.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        value => value.clone(),
    }
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding (RFC 4648, section 5).
fn to_base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            let six = bits >> (18 - 6 * at) & 0x3f;
            out.push(char::from(BASE64URL[six as usize]));
        }
    }
    out
}

/// The bytes, if the text is what [`to_base64url`] writes, and no other spelling of them.
fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits: u32 = 0;
        for at in 0..4 {
            let six = match chunk.get(at) {
                Some(byte) => BASE64URL.iter().position(|known| known == byte)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(six).ok()?;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend(&bytes[..chunk.len() - 1]);
    }
    (to_base64url(&out) == text).then_some(out)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret() -> Secret {
        Secret::new(b"0123456789abcdef0123456789abcdef".to_vec()).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            action: Action::Approve,
            subject: "0f09babfb92e5b61295388ad84950d61".to_owned(),
            holder: "slack:secops".to_owned(),
            runbook_sha256: "ab".repeat(32),
            parameters_sha256: "cd".repeat(32),
            expires_s: 1_795_510_800,
            nonce: "n-1".to_owned(),
        }
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_ends() {
        let token = secret().issue(&claims());
        assert!(token.len() <= TOKEN_BYTES_MAX);
        assert_eq!(secret().verify(&token, 1_795_510_799), Ok(claims()));
        let ended = Err(TokenError::Expired(1_795_510_800));
        assert_eq!(secret().verify(&token, 1_795_510_800), ended);
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let token = secret().issue(&claims());
        for at in 0..token.len() {
            for byte in [b'A', b'B', b'.', b'=', b'_'] {
                let mut bytes = token.clone().into_bytes();
                if bytes[at] == byte {
                    continue;
                }
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(secret().verify(&changed, 0).is_err(), "byte {at}");
            }
        }
        for end in 0..token.len() {
            assert!(secret().verify(&token[..end], 0).is_err());
        }
    }

    #[test]
    fn a_token_of_another_secret_is_refused_even_if_it_ended() {
        let other = Secret::new(vec![7; 32]).unwrap();
        assert_eq!(secret().verify(&other.issue(&claims()), i64::MAX), Err(TokenError::Signature));
        assert_eq!(secret().verify("", 0), Err(TokenError::Malformed));
        assert_eq!(secret().verify(&"v1.".repeat(2_000), 0), Err(TokenError::Malformed));
    }

    #[test]
    fn secrets_are_long_and_not_shown() {
        assert_eq!(Secret::new(vec![0; 31]).err(), Some(ShortSecret(31)));
        assert_eq!(format!("{:?}", secret()), "Secret(…)");
        let shown = format!("{:?}", claims());
        assert!(!shown.contains("n-1") && shown.contains("Approve"), "{shown}");
    }

    #[test]
    fn one_nonce_is_one_row() {
        let nonce = secret().nonce(&["run", "approve", "ada"]);
        assert_eq!(nonce, secret().nonce(&["run", "approve", "ada"]));
        assert_ne!(nonce, secret().nonce(&["run", "approvea", "da"]));
        let row = Claims { nonce, ..claims() }.row();
        assert_eq!((row.partition.as_str(), row.sort.len()), ("token", 64));
        assert_ne!(row, claims().row());
    }

    #[test]
    fn parameters_are_the_same_in_any_order() {
        let hash = |json: &str| parameters_sha256(&serde_json::from_str(json).unwrap());
        assert_eq!(hash(r#"{"a":{"c":1,"b":[2]},"d":3}"#), hash(r#"{"d":3,"a":{"b":[2],"c":1}}"#));
        assert_ne!(hash(r#"{"a":"1"}"#), hash(r#"{"a":1}"#));
        assert_ne!(hash(r#"{"a":[1,2]}"#), hash(r#"{"a":[2,1]}"#));
    }

    #[test]
    fn a_link_holds_the_token_as_it_is() {
        let token = secret().issue(&claims());
        let url = url("https://trailloop.example.com/", &token);
        assert_eq!(url, format!("https://trailloop.example.com/links?t={token}"));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
    }

    #[test]
    fn base64url_is_that_of_the_standard() {
        // RFC 4648, section 10, without padding.
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(to_base64url(bytes.as_bytes()), text);
        }
        assert_eq!(to_base64url(&[0xfb, 0xff]), "-_8");
        assert_eq!(from_base64url("Zh"), None, "bits after the end");
        assert_eq!(from_base64url("Z"), None);
        assert_eq!(from_base64url("Zg=="), None);
    }

    proptest! {
        #[test]
        fn base64url_reads_what_it_writes(bytes: Vec<u8>) {
            prop_assert_eq!(from_base64url(&to_base64url(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_is_a_token_by_chance(text: String, payload: Vec<u8>) {
            prop_assert!(secret().verify(&text, 0).is_err());
            let forged = format!("v1.{}.{}", to_base64url(&payload), to_base64url(&[0; 32]));
            prop_assert_eq!(secret().verify(&forged, 0), Err(TokenError::Signature));
        }
    }
}
