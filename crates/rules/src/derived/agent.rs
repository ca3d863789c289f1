//! The program behind a user agent. A caller writes its user agent, so this tells habits from one another; it proves
//! nothing.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

/// How a family is told, in lower case, in order: a tool names itself beside the SDK it is made with, so tools come first.
const FAMILIES: [(How, &str, &str); 47] = [
    (How::Contains, "trufflehog", "trufflehog"),
    (How::Contains, "pacu", "pacu"),
    (How::Contains, "stratus-red-team", "stratus-red-team"),
    (How::Contains, "scoutsuite", "scout-suite"),
    (How::Contains, "scout suite", "scout-suite"),
    (How::Contains, "prowler", "prowler"),
    (How::Contains, "cloudsploit", "cloudsploit"),
    (How::Contains, "cloudfox", "cloudfox"),
    (How::Contains, "steampipe", "steampipe"),
    (How::Contains, "aws-nuke", "aws-nuke"),
    (How::Contains, "cloud-custodian", "cloud-custodian"),
    (How::Contains, "terraform", "terraform"),
    (How::Contains, "opentofu", "opentofu"),
    (How::Contains, "pulumi", "pulumi"),
    (How::Contains, "ansible", "ansible"),
    (How::Contains, "eksctl", "eksctl"),
    (How::Contains, "s3 browser", "s3-browser"),
    (How::Contains, "s3browser", "s3-browser"),
    (How::Contains, "cyberduck", "cyberduck"),
    (How::Contains, "cloudberry", "cloudberry"),
    (How::Contains, "elasticwolf", "elasticwolf"),
    (How::Contains, "winscp", "winscp"),
    (How::Contains, "rclone", "rclone"),
    (How::Contains, "s3cmd", "s3cmd"),
    (How::Contains, "awspowershell", "aws-powershell"),
    (How::Contains, "aws-tools-for-powershell", "aws-powershell"),
    (How::Contains, "aws-cli/", "aws-cli"),
    (How::Contains, "s3console", "console"),
    (How::Starts, "aws-internal", "internal"),
    (How::Starts, "aws internal", "internal"),
    (How::Ends, "console.amazonaws.com", "console"),
    (How::Starts, "signin.amazonaws.com", "console"),
    (How::Ends, ".amazonaws.com", "service"),
    (How::Contains, "boto3/", "boto3"),
    (How::Contains, "botocore/", "botocore"),
    (How::Contains, "aws-sdk-go", "aws-sdk-go"),
    (How::Contains, "aws-sdk-java", "aws-sdk-java"),
    (How::Contains, "aws-sdk-js", "aws-sdk-js"),
    (How::Contains, "aws-sdk-nodejs", "aws-sdk-js"),
    (How::Contains, "aws-sdk-rust", "aws-sdk-rust"),
    (How::Contains, "aws-sdk-ruby", "aws-sdk-ruby"),
    (How::Contains, "aws-sdk-dotnet", "aws-sdk-dotnet"),
    (How::Contains, "aws-sdk-php", "aws-sdk-php"),
    (How::Contains, "aws-sdk-cpp", "aws-sdk-cpp"),
    (How::Starts, "mozilla/", "browser"),
    (How::Starts, "curl/", "curl"),
    (How::Starts, "python-requests/", "python-requests"),
];

/// Where a mark stands in a user agent.
#[derive(Clone, Copy)]
enum How {
    Starts,
    Contains,
    Ends,
}

/// The family of a user agent, `other` if it is none of those known.
#[must_use]
pub fn family(agent: &str) -> &'static str {
    // S3 writes the user agent of its data events in brackets.
    let agent = agent.trim_start_matches('[').trim_end_matches(']');
    let known = FAMILIES.iter().find(|(how, mark, _)| {
        let (agent, mark) = (agent.as_bytes(), mark.as_bytes());
        let Some(spare) = agent.len().checked_sub(mark.len()) else { return false };
        match how {
            How::Starts => agent[..mark.len()].eq_ignore_ascii_case(mark),
            How::Ends => agent[spare..].eq_ignore_ascii_case(mark),
            How::Contains => agent.windows(mark.len()).any(|part| part.eq_ignore_ascii_case(mark)),
        }
    });
    known.map_or("other", |(_, _, family)| family)
}

/// User agents that are remembered; each text has one place.
const PLACES: usize = 256;

/// Longer user agents are looked at each time.
const AGENT_BYTES_MAX: usize = 512;

/// The families of the user agents seen last: a log has a few hundred, and telling one takes dozens of searches.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<(String, &'static str)>);

impl Families {
    /// What [`family`] says, from memory if this user agent was asked for.
    pub(super) fn of(&mut self, agent: &str) -> &'static str {
        if agent.is_empty() || agent.len() > AGENT_BYTES_MAX {
            return family(agent);
        }
        self.0.resize_with(PLACES, || (String::with_capacity(AGENT_BYTES_MAX), "other"));
        let hash = FixedState::default().hash_one(agent);
        let (known, found) = &mut self.0[usize::try_from(hash % PLACES as u64).unwrap_or(0)];
        if known != agent {
            known.clear();
            known.push_str(agent);
            *found = family(agent);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_is_told() {
        let mut families = Families::default();
        for nth in 0..5_000 {
            let agent = format!("{}/{}", ["Boto3", "aws-cli", "Mozilla", "x"][nth % 4], nth % 700);
            assert_eq!(families.of(&agent), family(&agent), "{agent}");
        }
        let long = format!("{}aws-cli/2", " ".repeat(AGENT_BYTES_MAX));
        assert_eq!((families.of(&long), families.of("")), ("aws-cli", "other"));
    }

    #[test]
    fn families_are_told() {
        for (agent, expected) in [
            ("aws-cli/2.22.4 md/awscrt#0.23.8 ua/2.0", "aws-cli"),
            ("[aws-cli/1.2]", "aws-cli"),
            ("Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0", "boto3"),
            (
                "APN/1.0 HashiCorp/1.0 Terraform/1.9 (+https://www.terraform.io) aws-sdk-go-v2/1.30",
                "terraform",
            ),
            ("aws-sdk-go-v2/1.30", "aws-sdk-go"),
            ("cloudformation.amazonaws.com", "service"),
            ("console.amazonaws.com", "console"),
            ("AWS Internal", "internal"),
            ("Mozilla/5.0 (X11; Linux)", "browser"),
            ("TruffleHog", "trufflehog"),
            ("é", "other"),
            ("", "other"),
        ] {
            assert_eq!(family(agent), expected, "{agent}");
        }
    }
}
