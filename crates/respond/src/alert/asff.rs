//! An alert for Security Hub: the AWS Security Finding Format, and what a verdict makes of a finding there.
//!
//! `BatchImportFindings` takes up to 100 findings of up to 240 KB. The default product ARN is that of the account itself, so a finding
//! is imported with that account's credentials and in its region. After the first import only `BatchUpdateFindings` may
//! touch the verification state, the workflow and the note, which is what a verdict is.

use serde_json::{Map, Value, json};
use trailloop_finding::{Level, tactic_of};
use trailloop_runbook::Call;

use crate::alert::{Alert, LIST_MAX, escape};
use crate::ocsf::Verdict;

const TITLE_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 1_024;
const NOTE_CHARS_MAX: usize = 512;
const ID_CHARS_MAX: usize = 512;
const FINDINGS_MAX: usize = 100;
const TYPES_MAX: usize = 50;

/// What stands before our ids there.
const ID_PREFIX: &str = "trailloop:";

/// The account's own product.
#[must_use]
pub fn product_arn(partition: &str, region: &str, account: &str) -> String {
    let part = |text: &str| escape::line(text, 64);
    let (partition, region, account) = (part(partition), part(region), part(account));
    format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default")
}

/// The id that a finding has there.
#[must_use]
pub fn id(finding: &str) -> String {
    format!("{ID_PREFIX}{}", escape::line(finding, ID_CHARS_MAX - ID_PREFIX.len()))
}

/// The alert as a finding.
#[must_use]
pub fn render(alert: &Alert) -> Value {
    let text = |text: &str, chars_max: usize| required(escape::line(text, chars_max));
    let types = types(&alert.tags);
    let time = format!("{:.0}", alert.time);
    let label = label(alert.severity);
    let fields = [
        ("trailloop/kind", alert.kind.name()),
        ("trailloop/rule_title", &alert.rule_title),
        ("trailloop/runbook", &alert.runbook),
        ("trailloop/run", &alert.run),
        ("trailloop/who", &alert.who),
        ("trailloop/from", &alert.origin),
        ("trailloop/blast_radius", &alert.blast_radius),
    ];
    let mut product_fields = Map::new();
    for (name, value) in fields {
        if !value.is_empty() {
            product_fields.insert(name.to_owned(), json!(text(value, DESCRIPTION_CHARS_MAX)));
        }
    }
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": id(&alert.finding),
        "ProductArn": product_arn(&alert.partition, &alert.region, &alert.account),
        "GeneratorId": text(&alert.rule, ID_CHARS_MAX),
        "AwsAccountId": text(&alert.account, 64),
        "Types": types,
        "CreatedAt": time,
        "UpdatedAt": time,
        "Severity": {"Label": label},
        "Title": text(&alert.title, TITLE_CHARS_MAX),
        "Description": text(&description(alert), DESCRIPTION_CHARS_MAX),
        "Resources": [resource(alert)],
        "FindingProviderFields": {"Severity": {"Label": label}, "Types": types},
        "ProductFields": product_fields,
        "RecordState": "ACTIVE",
    })
}

/// The calls that import these findings, which are of one account and region.
#[must_use]
pub fn import(findings: &[Value]) -> Vec<Call> {
    let chunks = findings.chunks(FINDINGS_MAX);
    chunks.map(|findings| call("BatchImportFindings", json!({"Findings": findings}))).collect()
}

/// The call that tells Security Hub of a verdict. `by` is who gave it, `reason` their reason.
#[must_use]
pub fn update(id: &str, product_arn: &str, verdict: Verdict, by: &str, reason: &str) -> Call {
    let workflow = match verdict {
        Verdict::Inconclusive => "NOTIFIED",
        _ => "RESOLVED",
    };
    let note = format!("{verdict}: {reason}");
    call(
        "BatchUpdateFindings",
        json!({
            "FindingIdentifiers": [{"Id": id, "ProductArn": product_arn}],
            "VerificationState": verdict.asff(),
            "Workflow": {"Status": workflow},
            "Note": {
                "Text": escape::line(&note, NOTE_CHARS_MAX),
                "UpdatedBy": required(escape::line(by, NOTE_CHARS_MAX)),
            },
            "UserDefinedFields": {"trailloop.verdict": verdict.name()},
        }),
    )
}

/// The call that asks what people said there of our findings between two times.
#[must_use]
pub fn judged(product_arn: &str, from: &str, to: &str, next: Option<&str>) -> Call {
    let equals = |value: &str| json!({"Value": value, "Comparison": "EQUALS"});
    let states = [Verdict::TruePositive, Verdict::BenignPositive, Verdict::FalsePositive];
    let mut inputs = json!({
        "Filters": {
            "ProductArn": [equals(product_arn)],
            "Id": [{"Value": ID_PREFIX, "Comparison": "PREFIX"}],
            "VerificationState": states.map(|state| equals(state.asff())),
            "UpdatedAt": [{"Start": from, "End": to}],
        },
        "MaxResults": FINDINGS_MAX,
    });
    if let Some(next) = next {
        inputs["NextToken"] = next.into();
    }
    call("GetFindings", inputs)
}

/// What somebody said of a finding there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The finding, by our id.
    pub finding: String,
    /// What it was judged to be.
    pub verdict: Verdict,
    /// The note's first word, which is a reason if whoever wrote it knows ours.
    pub reason: String,
    /// Who wrote the note.
    pub by: Option<String>,
    /// When the finding was changed.
    pub updated: String,
}

/// What an answer to [`judged`] says; what we wrote there ourselves is left out.
#[must_use]
pub fn said(answer: &Value) -> Vec<Said> {
    let one = |finding: &Value| {
        let text = |pointer: &str| finding.pointer(pointer).and_then(Value::as_str);
        if text("/UserDefinedFields/trailloop.verdict").is_some() {
            return None;
        }
        let state = text("/VerificationState")?;
        let words = text("/Note/Text").unwrap_or_default();
        let first = words.split(|c: char| c.is_whitespace() || c == ':').next();
        Some(Said {
            finding: text("/Id")?.strip_prefix(ID_PREFIX)?.to_owned(),
            verdict: [Verdict::TruePositive, Verdict::BenignPositive, Verdict::FalsePositive]
                .into_iter()
                .find(|verdict| verdict.asff() == state)?,
            reason: first.unwrap_or_default().to_owned(),
            by: text("/Note/UpdatedBy").map(|by| escape::line(by, NOTE_CHARS_MAX)),
            updated: text("/UpdatedAt")?.to_owned(),
        })
    };
    answer.get("Findings").and_then(Value::as_array).into_iter().flatten().filter_map(one).collect()
}

fn call(api: &str, inputs: Value) -> Call {
    let inputs = if let Value::Object(inputs) = inputs { inputs } else { Map::new() };
    Call { service: "securityhub".to_owned(), api: api.to_owned(), inputs }
}

/// Security Hub refuses empty texts.
fn required(text: String) -> String {
    if text.trim().is_empty() { "-".to_owned() } else { text }
}

fn label(level: Level) -> &'static str {
    match level {
        Level::Informational => "INFORMATIONAL",
        Level::Low => "LOW",
        Level::Medium => "MEDIUM",
        Level::High => "HIGH",
        Level::Critical => "CRITICAL",
    }
}

/// What it is, who did it, and why it is told.
fn description(alert: &Alert) -> String {
    let mut parts = vec![format!("{} ({})", alert.title, alert.kind.label())];
    let facts = [("who", &alert.who), ("from", &alert.origin)];
    parts.extend(facts.iter().filter(|(_, text)| !text.is_empty()).map(|(label, text)| {
        // One long text must not push out the others.
        format!("{label}: {}", escape::line(text, 200))
    }));
    parts.extend(alert.reasons.iter().take(LIST_MAX).map(|reason| escape::line(reason, 300)));
    let held = alert.held.sentence();
    parts.extend(Some(held).filter(|held| !held.is_empty()));
    parts.join("; ")
}

/// Security Hub's types of the rule's tactics, in order, each once.
fn types(tags: &[String]) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for (_, tactic) in tags.iter().filter_map(|tag| tactic_of(tag)) {
        let name = match tactic {
            "Exfiltration" => "Effects/Data Exfiltration".to_owned(),
            "Impact" => "Effects".to_owned(),
            // These came after the format's own list, which has the older name for both.
            "Stealth" | "Defense Impairment" => "TTPs/Defense Evasion".to_owned(),
            "Reconnaissance" | "Resource Development" => "TTPs".to_owned(),
            tactic => format!("TTPs/{tactic}"),
        };
        if !types.contains(&name) && types.len() < TYPES_MAX {
            types.push(name);
        }
    }
    if types.is_empty() {
        types.push("Unusual Behaviors".to_owned());
    }
    types
}

/// Types of resources that the format names, of those that CloudTrail tells of.
const RESOURCE_TYPES: [&str; 19] = [
    "AwsCloudTrailTrail",
    "AwsDynamoDbTable",
    "AwsEc2Instance",
    "AwsEc2NetworkAcl",
    "AwsEc2SecurityGroup",
    "AwsEc2Volume",
    "AwsEc2Vpc",
    "AwsIamAccessKey",
    "AwsIamGroup",
    "AwsIamPolicy",
    "AwsIamRole",
    "AwsIamUser",
    "AwsKmsKey",
    "AwsLambdaFunction",
    "AwsS3Bucket",
    "AwsS3Object",
    "AwsSecretsManagerSecret",
    "AwsSnsTopic",
    "AwsSqsQueue",
];

/// The resource, or the target, or at the least the account.
fn resource(alert: &Alert) -> Value {
    let account = escape::line(&alert.account, 64);
    let (kind, id) = match &alert.resource {
        Some(resource) if !resource.id.is_empty() => {
            (resource_type(&resource.kind), resource.id.clone())
        }
        _ if !alert.target.is_empty() => ("Other", alert.target.clone()),
        _ => ("AwsAccount", format!("AWS::::Account:{account}")),
    };
    let partition = match alert.partition.as_str() {
        known @ ("aws-cn" | "aws-us-gov") => known,
        _ => "aws",
    };
    let mut resource = json!({
        "Type": kind,
        "Id": required(escape::line(&id, ID_CHARS_MAX)),
        "Partition": partition,
    });
    if !alert.region.is_empty() {
        resource["Region"] = json!(escape::line(&alert.region, 64));
    }
    resource
}

/// `AWS::IAM::User` is `AwsIamUser` there.
fn resource_type(kind: &str) -> &'static str {
    let plain = kind.replace("::", "").to_ascii_lowercase();
    let known = RESOURCE_TYPES.into_iter().find(|known| known.to_ascii_lowercase() == plain);
    known.unwrap_or("Other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Kind, hostile};

    const REQUIRED: &str = include_str!("../../../../fixtures/asff/required.json");

    fn assert_has_required(finding: &Value) {
        let required: Value = serde_json::from_str(REQUIRED).unwrap();
        crate::ocsf::tests::assert_required(&required["finding"], finding);
    }

    #[test]
    fn a_finding_looks_like_this() {
        let finding = render(&hostile::example());
        assert_has_required(&finding);
        insta::assert_snapshot!(serde_json::to_string_pretty(&finding).unwrap());
    }

    #[test]
    fn hostile_and_empty_texts_stay_within_the_limits() {
        let texts = hostile::texts().into_iter().chain([String::new()]);
        for text in texts {
            let mut alert = hostile::alert(Kind::Page, &text);
            assert_limits(&render(&alert));
            alert.resource = None;
            assert_limits(&render(&alert));
            alert.target.clear();
            assert_limits(&render(&alert));
        }
    }

    fn assert_limits(finding: &Value) {
        assert_has_required(finding);
        assert!(serde_json::to_string(finding).unwrap().len() < 240_000);
        let units = |key: &str| escape::units(finding[key].as_str().unwrap());
        assert!(units("Title") <= 256);
        assert!(units("Description") <= 1_024);
        assert!(units("Id") <= 512 && units("GeneratorId") <= 512);
        assert!(finding["ProductFields"].as_object().unwrap().len() <= 50);
    }

    #[test]
    fn resources_have_the_formats_own_types() {
        assert_eq!(resource_type("AWS::IAM::User"), "AwsIamUser");
        assert_eq!(resource_type("AWS::CloudTrail::Trail"), "AwsCloudTrailTrail");
        assert_eq!(resource_type("AWS::Made::Up"), "Other");
    }

    #[test]
    fn a_verdict_is_one_update() {
        let arn = product_arn("aws", "us-east-1", "111122223333");
        let call =
            update("trailloop:8389", &arn, Verdict::BenignPositive, "ada", "approved_change");
        assert_eq!(call.name(), "securityhub:BatchUpdateFindings");
        let required: Value = serde_json::from_str(REQUIRED).unwrap();
        let inputs = Value::Object(call.inputs);
        crate::ocsf::tests::assert_required(&required["update"], &inputs);
        assert_eq!(inputs["VerificationState"], "BENIGN_POSITIVE");
        assert_eq!(inputs["Workflow"]["Status"], "RESOLVED");
        assert_eq!(inputs["Note"]["Text"], "benign_positive: approved_change");
    }

    #[test]
    fn findings_are_imported_a_hundred_at_a_time() {
        let calls = import(&vec![render(&hostile::example()); 201]);
        let sizes: Vec<usize> =
            calls.iter().map(|call| call.inputs["Findings"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [100, 100, 1]);
    }
}
