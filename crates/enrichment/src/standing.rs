//! How an actor stands to the organization.

use std::fmt;

use crate::wildcard::Wildcard;

/// How an actor stands to the organization; the first that holds is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A way in that is kept for emergencies.
    BreakGlass,
    /// A role that machines use.
    Automation,
    /// From the account of a vendor.
    Vendor,
    /// From an account of the organization.
    Member,
    /// From an account that is nobody's we know.
    Outside,
}

impl Standing {
    /// The word that rules test.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BreakGlass => "break-glass",
            Self::Automation => "automation",
            Self::Vendor => "vendor",
            Self::Member => "member",
            Self::Outside => "outside",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pattern that actors are told by: an ARN, or the name of a role.
#[derive(Debug)]
pub(crate) struct ActorPattern {
    wildcard: Wildcard,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An ARN that spells its account out.
    OneAccount,
    /// An ARN whose account is a pattern itself.
    AnyAccount,
    /// The name of a role, in any account and below any path.
    Role,
    /// The name of a role or of a user.
    RoleOrUser,
}

impl ActorPattern {
    /// Reads a pattern; the error says what to write.
    pub(crate) fn parse(text: &str, users_too: bool) -> Result<Self, String> {
        let kind = if text.starts_with("arn:") {
            let parts: Vec<&str> = text.splitn(6, ':').collect();
            let [_, _, service, _, account, resource] = parts.as_slice() else {
                return Err("write a whole ARN, such as arn:aws:iam::*:role/deploy-*".to_owned());
            };
            if *service == "sts" {
                return Err("rules see the role behind a session: write \
                            arn:aws:iam::ACCOUNT:role/NAME"
                    .to_owned());
            }
            if resource.is_empty() {
                return Err("write what follows the account, such as role/deploy-*".to_owned());
            }
            if account.contains('*') { Kind::AnyAccount } else { Kind::OneAccount }
        } else if text.contains(['/', ':']) {
            return Err("write an ARN, or a name without its path".to_owned());
        } else if users_too {
            Kind::RoleOrUser
        } else {
            Kind::Role
        };
        if text.chars().all(|c| c == '*') {
            return Err("write something that tells them from everyone else".to_owned());
        }
        Ok(Self { wildcard: Wildcard::new(text), kind })
    }

    /// Whether an actor is meant. A pattern that does not spell the account out speaks only of our own: anyone can
    /// give a role in another account the right name.
    pub(crate) fn matches(&self, actor: &str, is_ours: bool) -> bool {
        let name = |kinds: &[&str]| {
            let (_, resource) = actor.strip_prefix("arn:")?.rsplit_once(':')?;
            let (kind, path) = resource.split_once('/')?;
            let name = path.rsplit('/').next().filter(|_| kinds.contains(&kind))?;
            Some(self.wildcard.matches(name))
        };
        match self.kind {
            Kind::OneAccount => self.wildcard.matches(actor),
            Kind::AnyAccount => is_ours && self.wildcard.matches(actor),
            Kind::Role => is_ours && name(&["role"]).unwrap_or(false),
            Kind::RoleOrUser => is_ours && name(&["role", "user"]).unwrap_or(false),
        }
    }
}

/// The account in an ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_tell_actors() {
        const ROLE: &str = "arn:aws:iam::111122223333:role/ci/deploy-web";
        const USER: &str = "arn:aws:iam::111122223333:user/deploy-web";
        for (pattern, users_too, actor, ours, anywhere) in [
            ("arn:aws:iam::111122223333:role/*", false, ROLE, true, true),
            ("arn:aws:iam::*:role/*deploy-*", false, ROLE, true, false),
            ("arn:aws:iam::*:role/deploy-*", false, ROLE, false, false),
            ("arn:*:iam::1111*:role/*", false, ROLE, true, false),
            ("deploy-*", false, ROLE, true, false),
            ("deploy-*", false, USER, false, false),
            ("deploy-*", true, USER, true, false),
            ("deploy-web", true, ROLE, true, false),
            ("ci", true, ROLE, false, false),
            ("*root", true, "arn:aws:iam::111122223333:root", false, false),
            ("arn:aws:iam::111122223333:root", true, "arn:aws:iam::111122223333:root", true, true),
            ("*", true, "cloudformation.amazonaws.com", false, false),
        ] {
            let Ok(parsed) = ActorPattern::parse(pattern, users_too) else {
                assert_eq!(pattern, "*");
                continue;
            };
            assert_eq!(parsed.matches(actor, true), ours, "{pattern} {actor}");
            assert_eq!(parsed.matches(actor, false), anywhere, "{pattern} {actor}, not ours");
        }
    }

    #[test]
    fn an_arn_names_its_account() {
        assert_eq!(account_of("arn:aws:iam::111122223333:root"), Some("111122223333"));
        assert_eq!(account_of("arn:aws:s3:::bucket"), None);
        assert_eq!(account_of("cloudformation.amazonaws.com"), None);
    }
}
