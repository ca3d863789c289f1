//! The columns of the table `cloudtrail`: those of AWS's own Athena table, and ours.
//!
//! Names, types and nesting of the first group are those that AWS documents for CloudTrail logs in Athena ("Create a table for
//! CloudTrail logs in Athena using partition projection"), so the same SQL runs on both. `account`, `region` and `day` are read off the
//! object's key, like the partitions there. The last group are the derived and enriched fields that rules know as well.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use trailloop_enrichment::Enriched;

/// A column, or a member of one.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name, in lower case as Athena shows it.
    pub(crate) name: &'static str,
    /// The key in the record.
    pub(crate) key: &'static str,
    /// What is at that key.
    pub(crate) shape: Shape,
}

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Text; of another value its JSON text.
    Text,
    /// JSON text of whatever stands there.
    Json,
    /// An object with these members.
    Struct(&'static [Column]),
    /// An array of such objects.
    List(&'static [Column]),
    /// An object of texts.
    Map,
}

const fn text(name: &'static str, key: &'static str) -> Column {
    Column { name, key, shape: Shape::Text }
}

const fn json(name: &'static str, key: &'static str) -> Column {
    Column { name, key, shape: Shape::Json }
}

const fn object(name: &'static str, key: &'static str, members: &'static [Column]) -> Column {
    Column { name, key, shape: Shape::Struct(members) }
}

/// The columns that are a record's own members.
pub(crate) static RECORD: [Column; 29] = [
    text("eventversion", "eventVersion"),
    object("useridentity", "userIdentity", &IDENTITY),
    text("eventtime", "eventTime"),
    text("eventsource", "eventSource"),
    text("eventname", "eventName"),
    text("awsregion", "awsRegion"),
    text("sourceipaddress", "sourceIPAddress"),
    text("useragent", "userAgent"),
    text("errorcode", "errorCode"),
    text("errormessage", "errorMessage"),
    json("requestparameters", "requestParameters"),
    json("responseelements", "responseElements"),
    json("additionaleventdata", "additionalEventData"),
    text("requestid", "requestID"),
    text("eventid", "eventID"),
    text("readonly", "readOnly"),
    Column { name: "resources", key: "resources", shape: Shape::List(&RESOURCE) },
    text("eventtype", "eventType"),
    text("apiversion", "apiVersion"),
    text("managementevent", "managementEvent"),
    text("recipientaccountid", "recipientAccountId"),
    json("serviceeventdetails", "serviceEventDetails"),
    text("sharedeventid", "sharedEventID"),
    text("vpcendpointid", "vpcEndpointId"),
    text("vpcendpointaccountid", "vpcEndpointAccountId"),
    text("eventcategory", "eventCategory"),
    json("addendum", "addendum"),
    text("sessioncredentialfromconsole", "sessionCredentialFromConsole"),
    object("tlsdetails", "tlsDetails", &TLS),
];

static IDENTITY: [Column; 9] = [
    text("type", "type"),
    text("principalid", "principalId"),
    text("arn", "arn"),
    text("accountid", "accountId"),
    text("invokedby", "invokedBy"),
    text("accesskeyid", "accessKeyId"),
    text("username", "userName"),
    object("onbehalfof", "onBehalfOf", &ON_BEHALF_OF),
    object("sessioncontext", "sessionContext", &SESSION),
];

static ON_BEHALF_OF: [Column; 2] =
    [text("userid", "userId"), text("identitystorearn", "identityStoreArn")];

static SESSION: [Column; 5] = [
    object("attributes", "attributes", &ATTRIBUTES),
    object("sessionissuer", "sessionIssuer", &ISSUER),
    text("ec2roledelivery", "ec2RoleDelivery"),
    text("sourceidentity", "sourceIdentity"),
    object("webidfederationdata", "webIdFederationData", &WEB),
];

static ATTRIBUTES: [Column; 2] =
    [text("mfaauthenticated", "mfaAuthenticated"), text("creationdate", "creationDate")];

static ISSUER: [Column; 5] = [
    text("type", "type"),
    text("principalid", "principalId"),
    text("arn", "arn"),
    text("accountid", "accountId"),
    text("username", "userName"),
];

static WEB: [Column; 2] = [
    text("federatedprovider", "federatedProvider"),
    Column { name: "attributes", key: "attributes", shape: Shape::Map },
];

static RESOURCE: [Column; 3] =
    [text("arn", "ARN"), text("accountid", "accountId"), text("type", "type")];

static TLS: [Column; 3] = [
    text("tlsversion", "tlsVersion"),
    text("ciphersuite", "cipherSuite"),
    text("clientprovidedhostheader", "clientProvidedHostHeader"),
];

/// The columns that are read off an object's key: of an object without CloudTrail's layout, off the record.
pub(crate) static KEY: [&str; 3] = ["account", "region", "day"];

/// The derived fields that are columns: the column, and the field as rules name it.
pub(crate) static DERIVED: [(&str, &str); 14] = [
    ("outcome", "outcome"),
    ("actor", "actor"),
    ("actor_account", "actor.account"),
    ("actor_kind", "actor.kind"),
    ("target_user", "target.user"),
    ("target_role", "target.role"),
    ("target_bucket", "target.bucket"),
    ("target_key", "target.key"),
    ("accesskey_prefix", "accessKey.prefix"),
    ("accesskey_account", "accessKey.account"),
    ("api", "api"),
    ("ua_family", "ua.family"),
    ("ip_kind", "ip.kind"),
    ("object_name", "object"),
];

/// How an enriched field is spelled as a column.
pub(crate) fn enriched_name(field: Enriched) -> String {
    field.as_str().replace('.', "_").to_lowercase()
}

/// Where the value of a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A member of the record, by its number in [`RECORD`].
    Record(usize),
    /// The key, by its number in [`KEY`].
    Key(usize),
    /// The object's own name.
    Object,
    /// A derived field, by its name.
    Derived(&'static str),
    /// An enriched field.
    Enriched(Enriched),
}

/// Every column's name and origin, in order.
pub(crate) static COLUMNS: LazyLock<Vec<(String, Origin)>> = LazyLock::new(|| {
    let record = (0..RECORD.len()).map(|at| (RECORD[at].name.to_owned(), Origin::Record(at)));
    let key = (0..KEY.len()).map(|at| (KEY[at].to_owned(), Origin::Key(at)));
    let derived = DERIVED.iter().map(|(name, field)| match *field {
        "object" => ((*name).to_owned(), Origin::Object),
        field => ((*name).to_owned(), Origin::Derived(field)),
    });
    let enriched =
        Enriched::ALL.iter().map(|field| (enriched_name(*field), Origin::Enriched(*field)));
    record.chain(key).chain(derived).chain(enriched).collect()
});

/// The table's schema.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |(name, origin): &(String, Origin)| {
        let kind = match origin {
            Origin::Record(at) => data_type(RECORD[*at].shape),
            _ => DataType::Utf8View,
        };
        Field::new(name, kind, true)
    };
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
});

/// The type of a column.
pub(crate) fn data_type(shape: Shape) -> DataType {
    match shape {
        Shape::Text | Shape::Json => DataType::Utf8View,
        Shape::Struct(members) => DataType::Struct(fields(members)),
        Shape::List(members) => DataType::List(item(members)),
        Shape::Map => DataType::Map(entries(), false),
    }
}

/// The members of a struct.
pub(crate) fn fields(members: &[Column]) -> Fields {
    members.iter().map(|member| Field::new(member.name, data_type(member.shape), true)).collect()
}

/// The field of a list's items.
pub(crate) fn item(members: &[Column]) -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(fields(members)), true))
}

/// The field of a map's entries.
pub(crate) fn entries() -> Arc<Field> {
    let of = vec![
        Field::new("key", DataType::Utf8View, false),
        Field::new("value", DataType::Utf8View, true),
    ];
    Arc::new(Field::new("entries", DataType::Struct(of.into()), false))
}

/// The path in a record of a column, or of a member of one: `useridentity`, `arn` gives `userIdentity`, `arn`. `None` if
/// there is no text at the end of it.
pub(crate) fn path_of(names: &[&str]) -> Option<Vec<&'static str>> {
    let (first, rest) = names.split_first()?;
    let mut column = RECORD.iter().find(|column| column.name == *first)?;
    let mut path = vec![column.key];
    for name in rest {
        let Shape::Struct(members) = column.shape else { return None };
        column = members.iter().find(|member| member.name == *name)?;
        path.push(column.key);
    }
    matches!(column.shape, Shape::Text).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_differ() {
        let mut names: Vec<&str> = COLUMNS.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.iter().all(|name| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        }));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), COLUMNS.len());
        assert_eq!(SCHEMA.fields().len(), COLUMNS.len());
    }

    #[test]
    fn paths_lead_to_texts() {
        assert_eq!(path_of(&["eventname"]), Some(vec!["eventName"]));
        let issuer = ["useridentity", "sessioncontext", "sessionissuer", "arn"];
        let path = vec!["userIdentity", "sessionContext", "sessionIssuer", "arn"];
        assert_eq!(path_of(&issuer), Some(path));
        for none in
            [&["useridentity"][..], &["requestparameters"], &["eventname", "x"], &["nothing"]]
        {
            assert_eq!(path_of(none), None);
        }
    }
}
