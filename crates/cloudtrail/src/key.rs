//! What an object is, told by its key, before anything is downloaded.
//!
//! CloudTrail writes `[prefix/]AWSLogs/[o-org/]account/CloudTrail/region/YYYY/MM/DD/file`. Control Tower puts the
//! organization id in front as well, customers put prefixes, and the same bucket often holds other services' logs.
//! So the *last* `AWSLogs/` counts, and the directory segment after the account decides, never the file's name: AWS's
//! own documentation shows two spellings of digest names.
//!
//! A key without this layout says nothing: it may be a file that an analyst copied. It is read if someone names
//! it, and told apart by its bytes.

use std::fmt;

use jiff::civil::Date;

/// What a key says of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents<'k> {
    /// Records: management and data events.
    Records,
    /// Insights events.
    Insight,
    /// Network activity events of VPC endpoints.
    NetworkActivity,
    /// Aggregated events.
    Aggregated,
    /// A `CloudTrail-…` segment that is new to us. It is read like records, and counted.
    Unknown(&'k str),
    /// A digest: hashes and a signature of log objects, no records.
    Digest,
    /// Another service's logs, such as `Config` or `vpcflowlogs`.
    OtherService(&'k str),
    /// A folder marker: a key that ends in `/`.
    Folder,
    /// A key without CloudTrail's layout.
    Unplaced,
}

impl Contents<'_> {
    /// Whether the object may hold records and so is worth a download.
    #[must_use]
    pub fn holds_records(self) -> bool {
        !matches!(self, Self::Digest | Self::OtherService(_) | Self::Folder)
    }
}

impl fmt::Display for Contents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records => "CloudTrail",
            Self::Insight => "CloudTrail-Insight",
            Self::NetworkActivity => "CloudTrail-NetworkActivity",
            Self::Aggregated => "CloudTrail-Aggregated",
            Self::Digest => "CloudTrail-Digest",
            Self::Unknown(segment) | Self::OtherService(segment) => segment,
            Self::Folder => "folder",
            Self::Unplaced => "unplaced",
        })
    }
}

/// A parsed object key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogKey<'k> {
    /// What the object is.
    pub contents: Contents<'k>,
    /// The organization, such as `o-exampleorgid`.
    pub organization: Option<&'k str>,
    /// The account whose activity it is.
    pub account: Option<&'k str>,
    /// The region it was delivered for.
    pub region: Option<&'k str>,
    /// The day of delivery, UTC. Events may be older: CloudTrail retries a misconfigured bucket for 30 days.
    pub date: Option<Date>,
}

impl<'k> LogKey<'k> {
    /// Reads a key. Every key has a reading; what it does not say is `None`.
    #[must_use]
    pub fn parse(key: &'k str) -> Self {
        let unplaced = Self {
            contents: if key.ends_with('/') { Contents::Folder } else { Contents::Unplaced },
            organization: None,
            account: None,
            region: None,
            date: None,
        };
        Self::placed(key).unwrap_or(unplaced)
    }

    fn placed(key: &'k str) -> Option<Self> {
        let tail = match key.rfind("/AWSLogs/") {
            Some(at) => &key[at + "/AWSLogs/".len()..],
            None => key.strip_prefix("AWSLogs/")?,
        };
        let mut segments = tail.split('/');
        let mut account = segments.next()?;
        let organization = is_organization(account).then_some(account);
        if organization.is_some() {
            account = segments.next()?;
        }
        let service = segments.next()?;
        if !is_account(account) || service.is_empty() {
            return None;
        }
        let mut contents = contents_of(service);
        if key.ends_with('/') {
            contents = Contents::Folder;
        }
        let region = segments.next().filter(|region| is_region(region));
        let date = region.and_then(|_| {
            let mut number = || segments.next()?.parse::<i16>().ok();
            let (year, month, day) = (number()?, number()?, number()?);
            Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
        });
        Some(Self { contents, organization, account: Some(account), region, date })
    }
}

fn contents_of(service: &str) -> Contents<'_> {
    match service {
        "CloudTrail" => Contents::Records,
        "CloudTrail-Digest" => Contents::Digest,
        "CloudTrail-Insight" => Contents::Insight,
        "CloudTrail-NetworkActivity" => Contents::NetworkActivity,
        "CloudTrail-Aggregated" => Contents::Aggregated,
        _ if service.starts_with("CloudTrail-") => Contents::Unknown(service),
        _ => Contents::OtherService(service),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `o-` and 10 to 32 lower-case letters and digits, as Organizations documents it.
fn is_organization(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Words and a number joined by hyphens, such as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.contains('-')
        && words.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_read() {
        let tail = "111122223333/CloudTrail/us-east-1/2026/01/31/file.json.gz";
        let date = Date::new(2026, 1, 31).ok();
        for (front, organization) in [
            ("AWSLogs/", None),
            ("some/prefix/AWSLogs/", None),
            ("AWSLogs/o-exampleorgid/", Some("o-exampleorgid")),
            ("o-exampleorgid/AWSLogs/", None),
            ("o-exampleorgid/AWSLogs/o-exampleorgid/", Some("o-exampleorgid")),
            ("AWSLogs/999999999999/CloudTrail/x/AWSLogs/", None),
        ] {
            let key = format!("{front}{tail}");
            let expected = LogKey {
                contents: Contents::Records,
                organization,
                account: Some("111122223333"),
                region: Some("us-east-1"),
                date,
            };
            assert_eq!(LogKey::parse(&key), expected, "{key}");
        }
    }

    #[test]
    fn the_directory_decides_not_the_file() {
        let contents = |segment: &str| {
            let key = format!(
                "AWSLogs/111122223333/{segment}/us-gov-west-1/2026/01/31/111122223333_CloudTrail-Digest_x.json.gz"
            );
            LogKey::parse(&key).contents.to_string()
        };
        for segment in ["CloudTrail", "CloudTrail-Digest", "CloudTrail-New", "Config"] {
            assert_eq!(contents(segment), segment);
        }
        assert!(Contents::Unknown("CloudTrail-New").holds_records());
        assert!(!Contents::Digest.holds_records());
        assert!(!LogKey::parse("AWSLogs/111122223333/Config/x").contents.holds_records());
        assert!(!LogKey::parse("AWSLogs/111122223333/CloudTrail/").contents.holds_records());
    }

    #[test]
    fn what_a_key_does_not_say_is_none() {
        let key = LogKey::parse("copied/events.json");
        assert_eq!(key.contents, Contents::Unplaced);
        assert!(key.contents.holds_records());
        let odd = LogKey::parse("AWSLogs/111122223333/CloudTrail/us-east-1/2026/13/45/x");
        assert_eq!((odd.contents, odd.date), (Contents::Records, None));
    }

    proptest::proptest! {
        #[test]
        fn no_key_panics(key: String, tail: String) {
            let _key = LogKey::parse(&key);
            let _placed = LogKey::parse(&format!("AWSLogs/111122223333/{tail}"));
        }
    }
}
