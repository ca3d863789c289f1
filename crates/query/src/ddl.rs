//! The same table in Athena.

use crate::columns::{Column, RECORD, Shape};

/// Where the logs of the table lie.
#[derive(Clone, Debug)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// What stands before the account: `AWSLogs/`, with a prefix and an organization's id if there are such.
    pub prefix: String,
    /// The accounts.
    pub accounts: Vec<String>,
    /// The regions.
    pub regions: Vec<String>,
    /// The first day, as YYYY/MM/DD.
    pub from: String,
}

/// The statement that makes the table in Athena, with partitions projected from its location: nothing has to be
/// crawled or added day by day. The row format is that of AWS's own example for CloudTrail logs.
#[must_use]
pub fn ddl(location: &Location) -> String {
    let Location { bucket, prefix, accounts, regions, from } = location;
    let columns: Vec<String> =
        RECORD.iter().map(|column| format!("    {} {}", column.name, kind(column.shape))).collect();
    let root = format!("s3://{bucket}/{prefix}");
    format!(
        "CREATE EXTERNAL TABLE cloudtrail (\n{columns}\n)\n\
         PARTITIONED BY (`account` string, `region` string, `day` string)\n\
         ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'\n\
         STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'\n\
         OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'\n\
         LOCATION '{root}'\n\
         TBLPROPERTIES (\n    \
         'projection.enabled'='true',\n    \
         'projection.account.type'='enum',\n    \
         'projection.account.values'='{accounts}',\n    \
         'projection.region.type'='enum',\n    \
         'projection.region.values'='{regions}',\n    \
         'projection.day.type'='date',\n    \
         'projection.day.format'='yyyy/MM/dd',\n    \
         'projection.day.interval'='1',\n    \
         'projection.day.interval.unit'='DAYS',\n    \
         'projection.day.range'='{from},NOW',\n    \
         'storage.location.template'='{root}${{account}}/CloudTrail/${{region}}/${{day}}'\n);\n",
        columns = columns.join(",\n"),
        accounts = accounts.join(","),
        regions = regions.join(","),
    )
}

/// A type as Hive writes it.
fn kind(shape: Shape) -> String {
    match shape {
        Shape::Text | Shape::Json => "string".to_owned(),
        Shape::Struct(members) => format!("struct<{}>", inner(members)),
        Shape::List(members) => format!("array<struct<{}>>", inner(members)),
        Shape::Map => "map<string,string>".to_owned(),
    }
}

fn inner(members: &[Column]) -> String {
    let member = |member: &Column| format!("{}:{}", member.name, kind(member.shape));
    members.iter().map(member).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_written_for_athena() {
        let location = Location {
            bucket: "example-logs".into(),
            prefix: "AWSLogs/o-exampleorgid/".into(),
            accounts: vec!["111122223333".into(), "444455556666".into()],
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
            from: "2026/01/01".into(),
        };
        insta::assert_snapshot!(ddl(&location));
    }
}
