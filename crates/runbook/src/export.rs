//! A runbook for others: the body alone, which Systems Manager Automation takes as it is.

use crate::document::Runbook;

/// The document for `ssm create-document --document-type Automation --document-format JSON`: all of the file but what is ours,
/// its keys in their order.
#[must_use]
pub fn ssm(runbook: &Runbook) -> String {
    // The alternate form of JSON values is the indented one.
    format!("{:#}\n", runbook.body)
}
