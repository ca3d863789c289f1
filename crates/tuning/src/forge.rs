//! Who decides what stands in a field of CloudTrail: AWS, the place the call came from, or the caller.
//!
//! A filter is a door that an attacker may try to walk through. Whatever its caller can choose is a key that anybody can cut,
//! so such a field may only narrow what a filter describes. What is not in the table is taken to be the caller's.

use std::net::IpAddr;

/// Who decides what stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// AWS, and it says who acted.
    Who,
    /// AWS, or a network of the operator's own, and it says from where.
    Where,
    /// AWS, and it says what was called: true of whoever makes the same call.
    What,
    /// The caller.
    Chosen,
}

/// A field and who decides it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its dotted path.
    pub path: &'static str,
    /// Who decides it.
    pub class: Class,
    /// Why that is so.
    pub why: &'static str,
}

const fn field(path: &'static str, class: Class, why: &'static str) -> Field {
    Field { path, class, why }
}

/// The fields whose class is known, in the order of their paths.
pub const FIELDS: &[Field] = &[
    field("additionalEventData", Class::Chosen, "differs by service and repeats what was asked"),
    field("apiVersion", Class::Chosen, "the client names it"),
    field("awsRegion", Class::What, "the endpoint's region, which whoever calls picks"),
    field("errorCode", Class::Chosen, "a caller can provoke an error"),
    field("errorMessage", Class::Chosen, "repeats what the caller asked for"),
    field("eventCategory", Class::What, "follows from the call"),
    field("eventName", Class::What, "the call itself"),
    field("eventSource", Class::What, "the call's service"),
    field("eventType", Class::What, "follows from the call"),
    field("managementEvent", Class::What, "follows from the call"),
    field("readOnly", Class::What, "follows from the call"),
    field("recipientAccountId", Class::What, "the account that is called"),
    field("requestParameters", Class::Chosen, "what the caller asked for, names and tags included"),
    field("resources", Class::Chosen, "names of resources are chosen by who creates or names them"),
    field("responseElements", Class::Chosen, "repeats names that the caller chose"),
    field(
        "sourceIPAddress",
        Class::Chosen,
        "outside of own networks anybody's; private ones exist in every VPC",
    ),
    field("tlsDetails", Class::Chosen, "the client offers what it likes"),
    field("userAgent", Class::Chosen, "the client sends what it likes"),
    field("userIdentity.accessKeyId", Class::Who, "AWS made it; it names one key of one principal"),
    field(
        "userIdentity.accountId",
        Class::What,
        "the caller's account, which holds many principals",
    ),
    field(
        "userIdentity.arn",
        Class::Who,
        "of a user as AWS keeps it; that of a session ends in a chosen name",
    ),
    field(
        "userIdentity.invokedBy",
        Class::What,
        "the service through which it was called, for whoever uses it",
    ),
    field("userIdentity.onBehalfOf.identityStoreArn", Class::What, "the directory of the person"),
    field(
        "userIdentity.onBehalfOf.userId",
        Class::Who,
        "the person in IAM Identity Center, by an id that AWS made",
    ),
    field(
        "userIdentity.principalId",
        Class::Who,
        "of a user as AWS keeps it; that of a session ends in a chosen name",
    ),
    field(
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
        Class::What,
        "AWS checked it; it says nothing of who",
    ),
    field("userIdentity.sessionContext.sessionIssuer.accountId", Class::What, "the role's account"),
    field("userIdentity.sessionContext.sessionIssuer.arn", Class::Who, "the role, as AWS keeps it"),
    field(
        "userIdentity.sessionContext.sessionIssuer.principalId",
        Class::Who,
        "the role's unique id, which is never used again",
    ),
    field(
        "userIdentity.sessionContext.sessionIssuer.type",
        Class::What,
        "follows from the identity",
    ),
    field(
        "userIdentity.sessionContext.sourceIdentity",
        Class::Chosen,
        "set by whoever assumes the first role",
    ),
    field("userIdentity.type", Class::What, "the kind of identity"),
    field("userIdentity.userName", Class::Chosen, "of a failed sign-in it is what somebody typed"),
    field(
        "vpcEndpointAccountId",
        Class::Where,
        "the account of the endpoint that the call came through",
    ),
    field("vpcEndpointId", Class::Where, "the endpoint that the call came through, as AWS saw it"),
];

/// What is known of a field, by the longest path in the table that it is or lies below.
#[must_use]
pub fn known(path: &str) -> Option<&'static Field> {
    let lies_below = |field: &&Field| {
        path.strip_prefix(field.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    FIELDS.iter().filter(lies_below).max_by_key(|field| field.path.len())
}

/// Who decides a field that has this value.
#[must_use]
pub fn class_of(path: &str, value: &str) -> Class {
    let Some(field) = known(path) else { return Class::Chosen };
    let is_deeper = field.path.len() < path.len();
    match field.path {
        // Below a known field lies what the table does not speak of.
        _ if is_deeper => Class::Chosen,
        "userIdentity.arn" if !is_of_user(value) => Class::Chosen,
        // Temporary keys come and go; only a user's own are an identity.
        "userIdentity.accessKeyId" if !value.starts_with("AKIA") => Class::Chosen,
        "userIdentity.principalId" if value.contains(':') || value.is_empty() => Class::Chosen,
        _ => field.class,
    }
}

fn is_of_user(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let is_iam = parts.next() == Some("arn") && parts.nth(1) == Some("iam");
    is_iam && parts.nth(2).is_some_and(|resource| resource.starts_with("user/"))
}

/// Whether a network is the operator's own and nobody else's: inside of one that was given, and not of the ranges that
/// every VPC may use, by which a call through a VPC endpoint of the attacker's would look the same.
#[must_use]
pub fn is_own_network(network: &str, own: &[String]) -> bool {
    let Some((address, bits)) = network_of_text(network) else { return false };
    !is_shared(address)
        && own.iter().filter_map(|own| network_of_text(own)).any(|(own, own_bits)| {
            own_bits > 0 && own_bits <= bits && shares_prefix(own, address, own_bits)
        })
}

fn network_of_text(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = if bits.is_empty() { most } else { bits.parse().ok()? };
    (bits <= most).then_some((address, bits))
}

fn shares_prefix(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u32::from(a) ^ u32::from(b)).leading_zeros() >= u32::from(bits)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (u128::from(a) ^ u128::from(b)).leading_zeros() >= u32::from(bits)
        }
        _ => false,
    }
}

/// Whether an address is of a range that many use: private, link-local, loopback, of carriers, unique local.
fn is_shared(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            address.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_unknown_fields_are_the_callers() {
        assert!(FIELDS.windows(2).all(|pair| pair[0].path < pair[1].path));
        assert_eq!(class_of("something.new", "x"), Class::Chosen);
        assert_eq!(class_of("requestParameters.roleSessionName", "x"), Class::Chosen);
        assert_eq!(class_of("vpcEndpointId.deeper", "x"), Class::Chosen);
        assert_eq!(class_of("vpcEndpointId", "vpce-0abc"), Class::Where);
        assert_eq!(class_of("eventName", "GetObject"), Class::What);
        assert_eq!(class_of("eventNameX", "GetObject"), Class::Chosen);
    }

    #[test]
    fn only_lasting_identities_say_who() {
        for (path, value, class) in [
            ("userIdentity.arn", "arn:aws:iam::111122223333:user/a", Class::Who),
            ("userIdentity.arn", "arn:aws-cn:iam::111122223333:user/p/a", Class::Who),
            ("userIdentity.arn", "arn:aws:sts::111122223333:assumed-role/r/s", Class::Chosen),
            ("userIdentity.arn", "arn:aws:iam::111122223333:root", Class::Chosen),
            ("userIdentity.arn", "user/a", Class::Chosen),
            ("userIdentity.principalId", "AIDAEXAMPLE", Class::Who),
            ("userIdentity.principalId", "AROAEXAMPLE:session", Class::Chosen),
            ("userIdentity.accessKeyId", "AKIAIOSFODNN7EXAMPLE", Class::Who),
            ("userIdentity.accessKeyId", "ASIAIOSFODNN7EXAMPLE", Class::Chosen),
        ] {
            assert_eq!(class_of(path, value), class, "{path} {value}");
        }
    }

    #[test]
    fn own_networks_are_public_and_inside() {
        let own = ["198.51.100.0/24", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"].map(String::from);
        for (network, is_own) in [
            ("198.51.100.0/25", true),
            ("198.51.100.7", true),
            ("198.51.0.0/16", false),
            ("203.0.113.0/24", false),
            ("10.1.0.0/16", false),
            ("2001:db8:1::/48", true),
            ("2001:db9::/48", false),
            ("fd00::/8", false),
            ("nonsense", false),
            ("198.51.100.0/99", false),
        ] {
            assert_eq!(is_own_network(network, &own), is_own, "{network}");
        }
    }
}
