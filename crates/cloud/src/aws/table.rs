//! DynamoDB: one item a row, written by conditions on its version.
//!
//! An item has the keys `pk` and `sk` (strings), `version` (a number), `value` and `writer` (strings). The SDK repeats a
//! write that got no answer, and then its own first try may be what makes the condition fail. So each write leaves a
//! token of its own in `writer`: a conflict with an item that carries it is a write that was done. Where a repeated write
//! meets anything else, nobody can say whether its first try was done before, and the caller is told so.

use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::from_sdk;
use crate::error::{CloudError, CloudErrorKind};
use crate::table::{
    Expected, Row, RowKey, Table, Written, check_delete, check_key, check_list, check_put, row_name,
};

type Item = HashMap<String, AttributeValue>;

/// A table of DynamoDB with the keys `pk` and `sk`. Its clones are the same table.
#[derive(Clone, Debug)]
pub struct AwsTable {
    client: Client,
    table: String,
    writers: Arc<Writers>,
}

/// Gives every write a token that no other write has.
#[derive(Debug)]
struct Writers {
    /// Random, so that no other process has it.
    prefix: String,
    writes: AtomicU64,
}

impl Writers {
    fn new() -> Self {
        // The standard library draws these keys from the system's randomness.
        let [high, low] = [0, 1].map(|half: u8| RandomState::new().hash_one(half));
        Self { prefix: format!("{high:016x}{low:016x}"), writes: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        format!("{}-{}", self.prefix, self.writes.fetch_add(1, Ordering::Relaxed))
    }
}

/// Counts the tries of one request.
#[derive(Clone, Debug, Default)]
struct Tries(Arc<AtomicU32>);

impl Tries {
    fn repeated(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl Intercept for Tries {
    fn name(&self) -> &'static str {
        "Tries"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A write whose condition failed, or that failed otherwise, after all its tries.
struct Failed<'a> {
    operation: &'static str,
    table: &'a str,
    key: &'a RowKey,
    repeated: bool,
}

impl Failed<'_> {
    fn resource(&self) -> String {
        row_name(self.table, self.key)
    }

    /// The error of a write that was refused for another reason than its condition.
    fn error<E>(&self, failure: &SdkError<E, HttpResponse>) -> CloudError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let error = from_sdk(self.operation, &self.resource(), failure);
        if !self.repeated || error.is_transient() {
            return error;
        }
        // The last try took no effect, but one before it may have.
        let message = format!("an earlier try got no answer, and the last one this: {error}");
        CloudError::new(CloudErrorKind::Transient, self.operation, self.resource(), message)
    }

    /// What a failed condition says: the row as it is, or nothing if an earlier try may have been done.
    fn conflict(&self, present: Option<Row>) -> Result<Written, CloudError> {
        if !self.repeated {
            return Ok(Written::Conflict(present));
        }
        let message = "an earlier try got no answer and the row is not as it was; read it";
        Err(CloudError::new(CloudErrorKind::Transient, self.operation, self.resource(), message))
    }
}

impl AwsTable {
    pub(crate) fn new(client: Client, table: String) -> Self {
        Self { client, table, writers: Arc::new(Writers::new()) }
    }

    /// The row of an item that has this key.
    fn row(&self, operation: &'static str, key: RowKey, item: &Item) -> Result<Row, CloudError> {
        let version = item.get("version").and_then(|value| value.as_n().ok());
        let version = version.and_then(|version| version.parse().ok());
        let value = item.get("value").and_then(|value| value.as_s().ok());
        match (version, value) {
            (Some(version), Some(value)) => Ok(Row { key, version, value: value.clone() }),
            _ => Err(self.foreign(operation, &row_name(&self.table, &key))),
        }
    }

    /// The error of an item that this project did not write.
    fn foreign(&self, operation: &'static str, resource: &str) -> CloudError {
        let message = format!(
            "the item has no number `version` and text `value`; give {} to nothing else",
            self.table
        );
        CloudError::new(CloudErrorKind::Invalid, operation, resource, message)
    }

    /// The row that a failed condition met.
    fn present(
        &self,
        operation: &'static str,
        key: &RowKey,
        item: Option<&Item>,
    ) -> Result<Option<Row>, CloudError> {
        item.map(|item| self.row(operation, key.clone(), item)).transpose()
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[async_trait]
impl Table for AwsTable {
    fn name(&self) -> &str {
        &self.table
    }

    async fn get(&self, key: &RowKey) -> Result<Option<Row>, CloudError> {
        check_key("get", &self.table, key)?;
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.key("pk", text(&key.partition)).key("sk", text(&key.sort));
        let answer = request
            .send()
            .await
            .map_err(|failure| from_sdk("get", &row_name(&self.table, key), &failure))?;
        self.present("get", key, answer.item())
    }

    async fn put(
        &self,
        key: &RowKey,
        value: &str,
        expected: Expected,
    ) -> Result<Written, CloudError> {
        let version = check_put(&self.table, key, value, expected)?;
        let writer = self.writers.next();
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(&key.partition))
            .item("sk", text(&key.sort))
            .item("version", number(version))
            .item("value", text(value))
            .item("writer", text(&writer))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match expected {
            Expected::Absent => request.condition_expression("attribute_not_exists(pk)"),
            Expected::Version(expected) => request
                .condition_expression("#version = :expected")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":expected", number(expected)),
        };
        let tries = Tries::default();
        let Err(failure) = request.customize().interceptor(tries.clone()).send().await else {
            return Ok(Written::Done(version));
        };
        let repeated = tries.repeated();
        let failed = Failed { operation: "put", table: &self.table, key, repeated };
        let Some(PutItemError::ConditionalCheckFailedException(refusal)) =
            failure.as_service_error()
        else {
            return Err(failed.error(&failure));
        };
        let item = refusal.item();
        if item.and_then(|item| item.get("writer")) == Some(&text(&writer)) {
            return Ok(Written::Done(version));
        }
        failed.conflict(self.present("put", key, item)?)
    }

    async fn delete(&self, key: &RowKey, version: u64) -> Result<Written, CloudError> {
        check_delete(&self.table, key, version)?;
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", text(&key.partition))
            .key("sk", text(&key.sort))
            .condition_expression("#version = :expected")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":expected", number(version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let tries = Tries::default();
        let Err(failure) = request.customize().interceptor(tries.clone()).send().await else {
            return Ok(Written::Done(0));
        };
        let repeated = tries.repeated();
        let failed = Failed { operation: "delete", table: &self.table, key, repeated };
        match failure.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(refusal)) => {
                failed.conflict(self.present("delete", key, refusal.item())?)
            }
            _ => Err(failed.error(&failure)),
        }
    }

    async fn list(
        &self,
        partition: &str,
        after: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<Row>, CloudError> {
        check_list(&self.table, partition, after)?;
        let resource = format!("{} {partition}", self.table);
        let query = self.client.query().table_name(&self.table).consistent_read(true);
        let query = query.expression_attribute_values(":partition", text(partition));
        let query = match after.filter(|after| !after.is_empty()) {
            None => query.key_condition_expression("pk = :partition"),
            Some(after) => query
                .key_condition_expression("pk = :partition AND sk > :after")
                .expression_attribute_values(":after", text(after)),
        };
        let mut rows = Vec::new();
        let mut start: Option<Item> = None;
        // A page ends at 1 MB however many rows were asked for.
        while rows.len() < rows_max {
            let limit = i32::try_from(rows_max - rows.len()).unwrap_or(i32::MAX);
            let request = query.clone().limit(limit).set_exclusive_start_key(start);
            let page = request.send().await;
            let page = page.map_err(|failure| from_sdk("list", &resource, &failure))?;
            for item in page.items() {
                let sort = item.get("sk").and_then(|sort| sort.as_s().ok());
                let sort = sort.ok_or_else(|| self.foreign("list", &resource))?;
                rows.push(self.row("list", RowKey::new(partition, sort), item)?);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_writes_share_a_token() {
        let (one, other) = (Writers::new(), Writers::new());
        let tokens = [one.next(), one.next(), other.next(), other.next()];
        let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
        assert_eq!(distinct.len(), tokens.len());
    }
}
