//! Security Hub: findings given to it in ASFF, and what became of them.

use aws_sdk_securityhub::Client;
use aws_sdk_securityhub::types::{
    AwsSecurityFinding, AwsSecurityFindingFilters, AwsSecurityFindingIdentifier, Compliance,
    ComplianceStatus, DateFilter, Note, NoteUpdate, Partition, Recommendation, RecordState,
    RelatedFinding, Remediation, Resource, Severity, SeverityLabel, SeverityUpdate, StringFilter,
    StringFilterComparison, VerificationState, Workflow, WorkflowStatus, WorkflowUpdate,
};

use super::apis;
use super::inputs::Inputs;
use super::json::{list, object};
use crate::error::CloudError;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "BatchImportFindings" batch_import_findings (set_findings structures("Findings", finding))
        answer => object! {
            "SuccessCount": answer.success_count(),
            "FailedCount": answer.failed_count(),
            "FailedFindings": list(answer.failed_findings(), |failed| object! {
                "Id": failed.id(),
                "ErrorCode": failed.error_code(),
                "ErrorMessage": failed.error_message(),
            }),
        };
    "GetFindings" get_findings (
        set_filters structure("Filters", filters),
        set_max_results number("MaxResults"),
        set_next_token text("NextToken"))
        answer => object! {
            "Findings": list(answer.findings(), |one| object! {
                "Id": one.id(),
                "UpdatedAt": one.updated_at(),
                "VerificationState": one.verification_state().map(VerificationState::as_str),
                "Note": one.note().map(|note| object! {
                    "Text": note.text(),
                    "UpdatedBy": note.updated_by(),
                }),
                "UserDefinedFields": one.user_defined_fields().map(|fields| object! {
                    "trailloop.verdict": fields.get("trailloop.verdict").map(String::as_str),
                }),
            }),
            "NextToken": answer.next_token(),
        };
    "BatchUpdateFindings" batch_update_findings (
        set_finding_identifiers structures("FindingIdentifiers", identifier),
        set_note structure("Note", note_update),
        set_severity structure("Severity", severity_update),
        set_verification_state choice("VerificationState", VerificationState::try_parse),
        set_confidence number("Confidence"),
        set_criticality number("Criticality"),
        set_types texts("Types"),
        set_user_defined_fields text_map("UserDefinedFields"),
        set_workflow structure("Workflow", workflow_update),
        set_related_findings structures("RelatedFindings", related))
        answer => object! {
            "ProcessedFindings": list(answer.processed_findings(), |one| object! {
                "Id": one.id(),
                "ProductArn": one.product_arn(),
            }),
            "UnprocessedFindings": list(answer.unprocessed_findings(), |one| object! {
                "FindingIdentifier": one.finding_identifier().map(|identifier| object! {
                    "Id": identifier.id(),
                    "ProductArn": identifier.product_arn(),
                }),
                "ErrorCode": one.error_code(),
                "ErrorMessage": one.error_message(),
            }),
        };
}

fn filters(from: &mut Inputs) -> Result<AwsSecurityFindingFilters, CloudError> {
    Ok(AwsSecurityFindingFilters::builder()
        .set_product_arn(from.structures("ProductArn", string_filter)?)
        .set_id(from.structures("Id", string_filter)?)
        .set_verification_state(from.structures("VerificationState", string_filter)?)
        .set_updated_at(from.structures("UpdatedAt", date_filter)?)
        .build())
}

fn string_filter(from: &mut Inputs) -> Result<StringFilter, CloudError> {
    Ok(StringFilter::builder()
        .set_value(from.text("Value")?)
        .set_comparison(from.choice("Comparison", StringFilterComparison::try_parse)?)
        .build())
}

fn date_filter(from: &mut Inputs) -> Result<DateFilter, CloudError> {
    Ok(DateFilter::builder().set_start(from.text("Start")?).set_end(from.text("End")?).build())
}

fn finding(from: &mut Inputs) -> Result<AwsSecurityFinding, CloudError> {
    Ok(AwsSecurityFinding::builder()
        .set_schema_version(from.name("SchemaVersion")?)
        .set_id(from.name("Id")?)
        .set_product_arn(from.name("ProductArn")?)
        .set_product_name(from.text("ProductName")?)
        .set_company_name(from.text("CompanyName")?)
        .set_region(from.text("Region")?)
        .set_generator_id(from.name("GeneratorId")?)
        .set_aws_account_id(from.name("AwsAccountId")?)
        .set_aws_account_name(from.text("AwsAccountName")?)
        .set_types(from.texts("Types")?)
        .set_first_observed_at(from.text("FirstObservedAt")?)
        .set_last_observed_at(from.text("LastObservedAt")?)
        .set_created_at(from.name("CreatedAt")?)
        .set_updated_at(from.name("UpdatedAt")?)
        .set_severity(from.structure("Severity", severity)?)
        .set_confidence(from.number("Confidence")?)
        .set_criticality(from.number("Criticality")?)
        .set_title(from.name("Title")?)
        .set_description(from.name("Description")?)
        .set_remediation(from.structure("Remediation", remediation)?)
        .set_source_url(from.text("SourceUrl")?)
        .set_product_fields(from.text_map("ProductFields")?)
        .set_user_defined_fields(from.text_map("UserDefinedFields")?)
        .set_resources(from.structures("Resources", resource)?)
        .set_compliance(from.structure("Compliance", |compliance| {
            let status = compliance.choice("Status", ComplianceStatus::try_parse)?;
            Ok(Compliance::builder().set_status(status).build())
        })?)
        .set_verification_state(from.choice("VerificationState", VerificationState::try_parse)?)
        .set_workflow(from.structure("Workflow", |workflow| {
            let status = workflow.choice("Status", WorkflowStatus::try_parse)?;
            Ok(Workflow::builder().set_status(status).build())
        })?)
        .set_record_state(from.choice("RecordState", RecordState::try_parse)?)
        .set_related_findings(from.structures("RelatedFindings", related)?)
        .set_note(from.structure("Note", note)?)
        .build())
}

fn severity(from: &mut Inputs) -> Result<Severity, CloudError> {
    Ok(Severity::builder()
        .set_label(from.choice("Label", SeverityLabel::try_parse)?)
        .set_normalized(from.number("Normalized")?)
        .set_original(from.text("Original")?)
        .build())
}

fn severity_update(from: &mut Inputs) -> Result<SeverityUpdate, CloudError> {
    Ok(SeverityUpdate::builder()
        .set_label(from.choice("Label", SeverityLabel::try_parse)?)
        .set_normalized(from.number("Normalized")?)
        .build())
}

fn remediation(from: &mut Inputs) -> Result<Remediation, CloudError> {
    let recommendation = from.structure("Recommendation", |recommendation| {
        Ok(Recommendation::builder()
            .set_text(recommendation.text("Text")?)
            .set_url(recommendation.text("Url")?)
            .build())
    })?;
    Ok(Remediation::builder().set_recommendation(recommendation).build())
}

fn resource(from: &mut Inputs) -> Result<Resource, CloudError> {
    Ok(Resource::builder()
        .set_type(from.name("Type")?)
        .set_id(from.name("Id")?)
        .set_partition(from.choice("Partition", Partition::try_parse)?)
        .set_region(from.text("Region")?)
        .set_tags(from.text_map("Tags")?)
        .build())
}

fn identifier(from: &mut Inputs) -> Result<AwsSecurityFindingIdentifier, CloudError> {
    Ok(AwsSecurityFindingIdentifier::builder()
        .set_id(from.name("Id")?)
        .set_product_arn(from.name("ProductArn")?)
        .build())
}

fn note(from: &mut Inputs) -> Result<Note, CloudError> {
    Ok(Note::builder()
        .set_text(from.name("Text")?)
        .set_updated_by(from.name("UpdatedBy")?)
        .set_updated_at(from.name("UpdatedAt")?)
        .build())
}

fn note_update(from: &mut Inputs) -> Result<NoteUpdate, CloudError> {
    Ok(NoteUpdate::builder()
        .set_text(from.name("Text")?)
        .set_updated_by(from.name("UpdatedBy")?)
        .build())
}

fn workflow_update(from: &mut Inputs) -> Result<WorkflowUpdate, CloudError> {
    let status = from.choice("Status", WorkflowStatus::try_parse)?;
    Ok(WorkflowUpdate::builder().set_status(status).build())
}

fn related(from: &mut Inputs) -> Result<RelatedFinding, CloudError> {
    Ok(RelatedFinding::builder()
        .set_product_arn(from.name("ProductArn")?)
        .set_id(from.name("Id")?)
        .build())
}
