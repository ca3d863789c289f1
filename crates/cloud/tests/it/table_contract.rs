//! What every table promises, asked of any kind through the trait alone.

use std::sync::Arc;

use tokio::task::JoinSet;
use trailloop_cloud::{
    CloudErrorKind, Expected, Fault, FaultPlan, FaultyTable, Operation, PARTITION_BYTES_MAX, Row,
    RowKey, SORT_BYTES_MAX, ScriptedFault, Table, VALUE_BYTES_MAX, Written,
};

/// All of it, on an empty table.
pub(crate) async fn check(table: Arc<dyn Table>) {
    versions_grow_and_conflicts_show_the_row(table.as_ref()).await;
    a_deleted_row_is_absent(table.as_ref()).await;
    lists_are_in_the_order_of_bytes(table.as_ref()).await;
    texts_come_back_as_they_went(table.as_ref()).await;
    long_lists_are_whole(table.as_ref()).await;
    limits_are_the_same_everywhere(table.as_ref()).await;
    a_lost_answer_is_settled_by_reading(&table).await;
    increments_at_the_same_time_all_count(&table).await;
}

fn row(key: &RowKey, version: u64, value: &str) -> Row {
    Row { key: key.clone(), version, value: value.to_owned() }
}

async fn put(table: &dyn Table, key: &RowKey, value: &str, expected: Expected) -> Written {
    table.put(key, value, expected).await.unwrap()
}

async fn sorts(table: &dyn Table, partition: &str, after: Option<&str>, max: usize) -> Vec<String> {
    let rows = table.list(partition, after, max).await.unwrap();
    assert!(rows.iter().all(|row| row.key.partition == partition));
    rows.into_iter().map(|row| row.key.sort).collect()
}

async fn versions_grow_and_conflicts_show_the_row(table: &dyn Table) {
    let key = RowKey::new("versions", "state");
    assert!(!table.name().is_empty());
    assert_eq!(table.get(&key).await.unwrap(), None);
    let nothing = put(table, &key, "x", Expected::Version(1)).await;
    assert_eq!(nothing, Written::Conflict(None), "there is no row to replace");
    assert_eq!(put(table, &key, "one", Expected::Absent).await, Written::Done(1));
    assert_eq!(table.get(&key).await.unwrap(), Some(row(&key, 1, "one")));
    let present = Written::Conflict(Some(row(&key, 1, "one")));
    assert_eq!(put(table, &key, "x", Expected::Absent).await, present);
    assert_eq!(put(table, &key, "one", Expected::Absent).await, present, "nor the same again");
    for version in [0, 2, 1_000_000_000_000_000_000] {
        assert_eq!(put(table, &key, "x", Expected::Version(version)).await, present);
    }
    assert_eq!(put(table, &key, "two", Expected::Version(1)).await, Written::Done(2));
    let newer = Written::Conflict(Some(row(&key, 2, "two")));
    assert_eq!(put(table, &key, "x", Expected::Version(1)).await, newer);
    assert_eq!(put(table, &key, "", Expected::Version(2)).await, Written::Done(3));
    assert_eq!(table.get(&key).await.unwrap(), Some(row(&key, 3, "")));
    let sibling = RowKey::new("versions", "state2");
    assert_eq!(table.get(&sibling).await.unwrap(), None, "a key is not a prefix");
}

async fn a_deleted_row_is_absent(table: &dyn Table) {
    let key = RowKey::new("deletions", "lease");
    assert_eq!(table.delete(&key, 1).await.unwrap(), Written::Conflict(None));
    put(table, &key, "one", Expected::Absent).await;
    put(table, &key, "two", Expected::Version(1)).await;
    let present = Written::Conflict(Some(row(&key, 2, "two")));
    assert_eq!(table.delete(&key, 1).await.unwrap(), present);
    assert_eq!(table.delete(&key, 3).await.unwrap(), present);
    assert_eq!(table.delete(&key, 2).await.unwrap(), Written::Done(0));
    assert_eq!(table.get(&key).await.unwrap(), None);
    assert_eq!(table.list("deletions", None, 10).await.unwrap(), []);
    assert_eq!(table.delete(&key, 2).await.unwrap(), Written::Conflict(None));
    let gone = put(table, &key, "x", Expected::Version(2)).await;
    assert_eq!(gone, Written::Conflict(None));
    assert_eq!(put(table, &key, "again", Expected::Absent).await, Written::Done(1));
}

async fn lists_are_in_the_order_of_bytes(table: &dyn Table) {
    // By locale, by UTF-16 and by case these would come otherwise.
    let in_order = ["!", "B", "a", "a!", "a/b", "aa", "b", "step/09", "step/10", "é", "ﬃ", "𝒜"];
    for sort in in_order.iter().rev() {
        put(table, &RowKey::new("order", *sort), sort, Expected::Absent).await;
    }
    for near in ["orde", "order!", "order/a", "Order"] {
        put(table, &RowKey::new(near, "a"), "not in the list", Expected::Absent).await;
    }
    assert_eq!(sorts(table, "order", None, 100).await, in_order);
    assert_eq!(sorts(table, "order", Some(""), 100).await, in_order);
    assert_eq!(sorts(table, "order", None, in_order.len()).await, in_order);
    assert_eq!(sorts(table, "order", None, 3).await, in_order[..3]);
    assert_eq!(sorts(table, "order", None, 0).await, [""; 0]);
    assert_eq!(sorts(table, "order", Some("a"), 100).await, in_order[3..], "after, not from");
    assert_eq!(sorts(table, "order", Some("a0"), 2).await, in_order[5..7], "after what is absent");
    assert_eq!(sorts(table, "order", Some("𝒜"), 100).await, [""; 0]);
    assert_eq!(sorts(table, "nothing here", None, 100).await, [""; 0]);
    let rows = table.list("order", Some("b"), 1).await.unwrap();
    assert_eq!(rows, [row(&RowKey::new("order", "step/09"), 1, "step/09")]);
}

async fn texts_come_back_as_they_went(table: &dyn Table) {
    // The second é is two characters; what is normalised somewhere would make them one row.
    for text in ["é", "e\u{301}", "  a b  ", "{\"k\":\"\\u0000\"}\r\n\t", "':;--%_#", "𝒜\u{feff}"]
    {
        let key = RowKey::new(format!("text/{text}"), text);
        assert_eq!(put(table, &key, text, Expected::Absent).await, Written::Done(1), "{text:?}");
        assert_eq!(table.get(&key).await.unwrap(), Some(row(&key, 1, text)));
        assert_eq!(table.list(&key.partition, None, 9).await.unwrap(), [row(&key, 1, text)]);
    }
}

/// DynamoDB ends a page at 1 MB, however many rows were asked for.
async fn long_lists_are_whole(table: &dyn Table) {
    let value = "x".repeat(300_000);
    let names: Vec<String> = (0..9).map(|number| format!("row/{number}")).collect();
    for name in &names {
        put(table, &RowKey::new("long", name), &value, Expected::Absent).await;
    }
    assert_eq!(sorts(table, "long", None, 100).await, names);
    assert_eq!(sorts(table, "long", None, 7).await, names[..7]);
    assert_eq!(sorts(table, "long", Some("row/3"), 5).await, names[4..]);
}

async fn limits_are_the_same_everywhere(table: &dyn Table) {
    let longest = RowKey::new("p".repeat(PARTITION_BYTES_MAX), "s".repeat(SORT_BYTES_MAX));
    let value = "v".repeat(VALUE_BYTES_MAX);
    assert_eq!(put(table, &longest, &value, Expected::Absent).await, Written::Done(1));
    assert_eq!(table.get(&longest).await.unwrap(), Some(row(&longest, 1, &value)));
    let listed = table.list(&longest.partition, Some("r"), 1).await.unwrap();
    assert_eq!(listed[0].key, longest);

    let key = RowKey::new("limits", "a");
    let error = table.put(&key, &format!("{value}v"), Expected::Absent).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::TooLarge, "{error}");
    // Bytes count, not characters.
    for refused in [
        RowKey::new("", "a"),
        RowKey::new("a", ""),
        RowKey::new("é".repeat(PARTITION_BYTES_MAX / 2) + "p", "a"),
        RowKey::new("a", "é".repeat(SORT_BYTES_MAX / 2) + "s"),
    ] {
        let list = table.list(&refused.partition, Some(&refused.sort), 1).await;
        let list = if refused.sort.is_empty() { None } else { Some(list.unwrap_err()) };
        let errors = [
            Some(table.get(&refused).await.unwrap_err()),
            Some(table.put(&refused, "x", Expected::Absent).await.unwrap_err()),
            Some(table.delete(&refused, 1).await.unwrap_err()),
            list,
        ];
        for error in errors.into_iter().flatten() {
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
        }
    }
    let beyond = u64::MAX;
    let error = table.put(&key, "x", Expected::Version(beyond)).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    let error = table.delete(&key, beyond).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    assert_eq!(table.get(&key).await.unwrap(), None);
}

async fn a_lost_answer_is_settled_by_reading(table: &Arc<dyn Table>) {
    let faults = [
        (Operation::PutRow, 0, Fault::Fails(CloudErrorKind::Transient)),
        (Operation::PutRow, 1, Fault::DoneButFails),
        (Operation::DeleteRow, 0, Fault::Fails(CloudErrorKind::Transient)),
        (Operation::DeleteRow, 1, Fault::DoneButFails),
    ];
    let plan = FaultPlan::script(faults.map(|(operation, call, fault)| ScriptedFault {
        operation,
        call,
        fault,
    }));
    let faulty = FaultyTable::new(Arc::clone(table), plan.clone());
    let key = RowKey::new("lost", "intent");
    for found in [None, Some(row(&key, 1, "mine"))] {
        let error = faulty.put(&key, "mine", Expected::Absent).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(faulty.get(&key).await.unwrap(), found);
    }
    let again = faulty.put(&key, "mine", Expected::Absent).await.unwrap();
    assert_eq!(again, Written::Conflict(Some(row(&key, 1, "mine"))));
    for found in [Some(row(&key, 1, "mine")), None] {
        let error = faulty.delete(&key, 1).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(faulty.get(&key).await.unwrap(), found);
    }
    assert_eq!(plan.fired_total(), 4);
}

async fn increments_at_the_same_time_all_count(table: &Arc<dyn Table>) {
    const WRITERS: u64 = 100;
    let key = RowKey::new("counter", "total");
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (table, key) = (Arc::clone(table), key.clone());
        writers.spawn(async move { increment(table.as_ref(), &key).await });
    }
    let mut versions = writers.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=WRITERS).collect::<Vec<_>>(), "each version was written once");
    let total = table.get(&key).await.unwrap().unwrap();
    assert_eq!((total.value.as_str(), total.version), ("100", WRITERS));
}

/// Adds one to the number in the row, by compare and set; gives the version that it wrote.
async fn increment(table: &dyn Table, key: &RowKey) -> u64 {
    let mut present = table.get(key).await.unwrap();
    loop {
        let (total, expected) = match &present {
            None => (0, Expected::Absent),
            Some(row) => (row.value.parse::<u64>().unwrap(), Expected::Version(row.version)),
        };
        match put(table, key, &(total + 1).to_string(), expected).await {
            Written::Done(version) => return version,
            Written::Conflict(row) => present = row,
        }
    }
}
