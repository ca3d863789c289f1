//! ARNs, taken apart without trust: each part has to be of the form that AWS gives it.

use super::names;

/// An ARN whose parts are of their forms: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: &'a str,
    /// The service, such as `iam`.
    pub service: &'a str,
    /// The region; empty for what has none.
    pub region: &'a str,
    /// The account: twelve digits, `aws` for what AWS itself owns, or empty.
    pub account: &'a str,
    /// All that follows, such as `user/alice`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Its parts, if it is one.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > 2048 {
            return None;
        }
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        if next()? != "arn" {
            return None;
        }
        let arn = Self {
            partition: next()?,
            service: next()?,
            region: next()?,
            account: next()?,
            resource: next()?,
        };
        let is_one = PARTITIONS.contains(&arn.partition)
            && names::is_service(arn.service)
            && (arn.region.is_empty() || names::is_region(arn.region))
            && (matches!(arn.account, "" | "aws") || names::is_account(arn.account))
            && !arn.resource.is_empty()
            && arn.resource.bytes().all(|byte| byte.is_ascii_graphic());
        is_one.then_some(arn)
    }

    /// What follows `PREFIX/` in the resource of an ARN of this service, as `alice` of `user/alice`.
    #[must_use]
    pub fn of(&self, service: &str, prefix: &str) -> Option<&'a str> {
        if self.service != service {
            return None;
        }
        self.resource.strip_prefix(prefix)?.strip_prefix(['/', ':'])
    }

    /// The path and the name of an IAM user, role or policy: `/team/` and `alice` of `user/team/alice`.
    #[must_use]
    pub fn path_and_name(&self, kind: &str) -> Option<(&'a str, &'a str)> {
        if self.service != "iam" || !self.region.is_empty() {
            return None;
        }
        let rest = self.resource.strip_prefix(kind)?;
        let name_at = rest.rfind('/')? + 1;
        let (path, name) = rest.split_at(name_at);
        path.starts_with('/').then_some((path, name))
    }
}

/// The partitions that we act in.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// The partition that a region belongs to.
#[must_use]
pub fn partition_of_region(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let arn = Arn::parse("arn:aws-cn:iam::111122223333:role/team/a/deploy").unwrap();
        assert_eq!((arn.partition, arn.service, arn.region), ("aws-cn", "iam", ""));
        assert_eq!(arn.account, "111122223333");
        assert_eq!(arn.path_and_name("role"), Some(("/team/a/", "deploy")));
        assert_eq!(arn.path_and_name("user"), None);
        let arn = Arn::parse("arn:aws:sts::111122223333:assumed-role/deploy/alice").unwrap();
        assert_eq!(arn.of("sts", "assumed-role"), Some("deploy/alice"));
        assert_eq!(arn.path_and_name("assumed-role"), None);
        let arn = Arn::parse("arn:aws:lambda:eu-west-1:111122223333:function:pay:1").unwrap();
        assert_eq!(arn.of("lambda", "function"), Some("pay:1"));
    }

    #[test]
    fn what_is_no_arn_is_none() {
        for text in [
            "",
            "arn",
            "arn:aws:iam::111122223333",
            "arn:aws:iam::111122223333:",
            "arn:aws-iso:iam::111122223333:user/alice",
            "arn:aws:iam::1111:user/alice",
            "arn:aws:iam::111122223333:user/al ice",
            "arn:aws:iam::111122223333:user/al\u{e9}",
            "arn:aws:IAM::111122223333:user/alice",
            "arn:aws:iam:EU:111122223333:user/alice",
            "xarn:aws:iam::111122223333:user/alice",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
