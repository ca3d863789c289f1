//! What every queue promises, asked of any kind through the trait alone.
//!
//! Nothing here waits: a lease is ended by giving the message back, which every kind does at once.
//! That leases end by themselves is shown per kind, where its clock can be moved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use trailloop_cloud::{CloudErrorKind, Message, Outgoing, Queue, Receipt};

/// Where an emulator differs from AWS, and from the kinds of our own.
#[derive(Clone, Copy, Default)]
pub(crate) struct Differences {
    /// Deleting with a stale receipt answers `Ok` and deletes the message all the same. AWS
    /// answers `Ok` or an error, and keeps the message.
    pub(crate) stale_delete_deletes: bool,
    /// Extending with a stale receipt answers `Ok`. AWS answers an error.
    pub(crate) stale_extend_is_ok: bool,
    /// Deleting once more with the same receipt answers an error. AWS answers `Ok`.
    pub(crate) second_delete_fails: bool,
    /// A deduplication id is forgotten with its message. AWS remembers it for five minutes.
    pub(crate) forgets_deduplication_of_the_deleted: bool,
}

const VISIBILITY: Duration = Duration::from_secs(60);
const NO_WAIT: Duration = Duration::ZERO;
/// Emulators answer at once; this only bounds how long a lost message would hold a test.
const WAIT: Duration = Duration::from_secs(2);

pub(crate) fn outgoing(body: &str) -> Outgoing {
    Outgoing { body: body.to_owned(), ..Outgoing::default() }
}

pub(crate) async fn send_all(queue: &dyn Queue, bodies: &[&str]) {
    let messages: Vec<Outgoing> = bodies.iter().map(|body| outgoing(body)).collect();
    for result in queue.send(&messages).await.unwrap() {
        result.unwrap();
    }
}

/// Receives until `count` messages came. Each receive may give fewer than there are.
pub(crate) async fn receive_all(queue: &dyn Queue, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let more = queue.receive(10, WAIT, VISIBILITY).await.unwrap();
        assert!(!more.is_empty(), "{} of {count} messages came", messages.len());
        messages.extend(more);
    }
    assert_eq!(messages.len(), count);
    messages
}

fn receipts(messages: &[Message]) -> Vec<Receipt> {
    messages.iter().map(|message| message.receipt.clone()).collect()
}

async fn delete_all(queue: &dyn Queue, messages: &[Message]) {
    for result in queue.delete(&receipts(messages)).await.unwrap() {
        result.unwrap();
    }
}

async fn assert_empty(queue: &dyn Queue) {
    assert_eq!(queue.receive(10, NO_WAIT, VISIBILITY).await.unwrap(), []);
}

/// Runs the whole contract on one empty queue, which is empty again afterwards.
pub(crate) async fn check(queue: &dyn Queue, differences: Differences) {
    gives_at_most_as_many_as_asked(queue).await;
    a_lease_hides_and_a_give_back_shows(queue, differences).await;
    extending_keeps_hidden(queue).await;
    a_stale_receipt_has_no_power(queue, differences).await;
    a_batch_answers_for_each_entry(queue).await;
    batches_have_any_length(queue).await;
    large_messages_travel_in_requests_of_their_own(queue).await;
    bodies_survive(queue).await;
    what_sqs_refuses_is_refused_alone(queue).await;
    attributes_survive(queue).await;
    what_makes_no_sense_is_invalid(queue).await;
}

async fn gives_at_most_as_many_as_asked(queue: &dyn Queue) {
    send_all(queue, &["a", "b", "c"]).await;
    let first = queue.receive(2, WAIT, VISIBILITY).await.unwrap();
    assert!((1..=2).contains(&first.len()), "{} messages", first.len());
    let mut all = first.clone();
    all.extend(receive_all(queue, 3 - first.len()).await);
    let bodies: BTreeSet<&str> = all.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, BTreeSet::from(["a", "b", "c"]));
    let ids: BTreeSet<&str> = all.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids.len(), 3);
    for message in &all {
        assert_eq!(message.receive_count, 1);
        assert!(message.sent_at_ms.is_some_and(|sent_at_ms| sent_at_ms > 0));
    }
    delete_all(queue, &all).await;
    assert_empty(queue).await;
}

async fn a_lease_hides_and_a_give_back_shows(queue: &dyn Queue, differences: Differences) {
    send_all(queue, &["once"]).await;
    let first = receive_all(queue, 1).await;
    assert_empty(queue).await;
    queue.extend(&receipts(&first), NO_WAIT).await.unwrap()[0].as_ref().unwrap();
    let second = receive_all(queue, 1).await;
    assert_eq!(second[0].id, first[0].id);
    assert_eq!(second[0].receive_count, 2);
    assert_eq!(second[0].sent_at_ms, first[0].sent_at_ms);
    assert_ne!(second[0].receipt, first[0].receipt);
    delete_all(queue, &second).await;
    assert_empty(queue).await;
    // Repeating an unclear delete does no harm.
    if !differences.second_delete_fails {
        delete_all(queue, &second).await;
    }
}

async fn extending_keeps_hidden(queue: &dyn Queue) {
    send_all(queue, &["kept"]).await;
    let messages = receive_all(queue, 1).await;
    let receipts = receipts(&messages);
    queue.extend(&receipts, VISIBILITY * 2).await.unwrap()[0].as_ref().unwrap();
    assert_empty(queue).await;
    let beyond = queue.extend(&receipts, Duration::from_secs(43_201)).await;
    assert_eq!(beyond.unwrap_err().kind(), CloudErrorKind::Invalid);
    delete_all(queue, &messages).await;
}

async fn a_stale_receipt_has_no_power(queue: &dyn Queue, differences: Differences) {
    send_all(queue, &["taken over"]).await;
    let stale = receive_all(queue, 1).await;
    queue.extend(&receipts(&stale), NO_WAIT).await.unwrap()[0].as_ref().unwrap();
    let fresh = receive_all(queue, 1).await;
    let extended = queue.extend(&receipts(&stale), NO_WAIT).await.unwrap();
    if !differences.stale_extend_is_ok {
        assert_eq!(extended[0].as_ref().unwrap_err().kind(), CloudErrorKind::Gone);
        assert_empty(queue).await;
    }
    if differences.stale_delete_deletes {
        delete_all(queue, &fresh).await;
        return;
    }
    let deleted = queue.delete(&receipts(&stale)).await.unwrap();
    if let Err(error) = &deleted[0] {
        assert_eq!(error.kind(), CloudErrorKind::Gone, "{error}");
    }
    queue.extend(&receipts(&fresh), NO_WAIT).await.unwrap()[0].as_ref().unwrap();
    let again = receive_all(queue, 1).await;
    assert_eq!(again[0].id, stale[0].id, "the message survived the stale delete");
    delete_all(queue, &again).await;
}

async fn a_batch_answers_for_each_entry(queue: &dyn Queue) {
    send_all(queue, &["a", "b"]).await;
    let messages = receive_all(queue, 2).await;
    let mut mixed = receipts(&messages);
    mixed.insert(1, Receipt("no receipt of this queue".to_owned()));
    let extended = queue.extend(&mixed, VISIBILITY).await.unwrap();
    assert_eq!(extended[1].as_ref().unwrap_err().kind(), CloudErrorKind::Gone);
    assert!(extended[0].is_ok() && extended[2].is_ok(), "{extended:?}");
    let deleted = queue.delete(&mixed).await.unwrap();
    assert_eq!(deleted[1].as_ref().unwrap_err().kind(), CloudErrorKind::Gone);
    assert!(deleted[0].is_ok() && deleted[2].is_ok(), "{deleted:?}");
    assert_empty(queue).await;
}

async fn batches_have_any_length(queue: &dyn Queue) {
    assert_eq!(queue.send(&[]).await.unwrap().len(), 0);
    assert_eq!(queue.delete(&[]).await.unwrap().len(), 0);
    assert_eq!(queue.extend(&[], VISIBILITY).await.unwrap().len(), 0);
    let bodies: Vec<String> = (0..25).map(|number| format!("message {number}")).collect();
    send_all(queue, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let messages = receive_all(queue, 25).await;
    let received: BTreeSet<&String> = messages.iter().map(|message| &message.body).collect();
    assert_eq!(received, bodies.iter().collect());
    let extended = queue.extend(&receipts(&messages), VISIBILITY).await.unwrap();
    assert_eq!(extended.iter().filter(|result| result.is_ok()).count(), 25);
    delete_all(queue, &messages).await;
    assert_empty(queue).await;
}

async fn large_messages_travel_in_requests_of_their_own(queue: &dyn Queue) {
    let bodies = ["a", "b", "c"].map(|letter| letter.repeat(200_000));
    send_all(queue, &bodies.each_ref().map(String::as_str)).await;
    let messages = receive_all(queue, 3).await;
    let received: BTreeSet<&String> = messages.iter().map(|message| &message.body).collect();
    assert_eq!(received, bodies.iter().collect());
    delete_all(queue, &messages).await;
}

async fn bodies_survive(queue: &dyn Queue) {
    let bodies = [
        "{\"key\":\"dir/with space+plus%2B\",\"quote\":\"\\\"\"}",
        "tab\tline\nreturn\rend",
        "<xml attribute='a'>&amp;</xml>",
        "é ß 漢字 \u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{1F600}\u{10FFFF}",
    ];
    send_all(queue, &bodies).await;
    let messages = receive_all(queue, bodies.len()).await;
    let received: BTreeSet<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(received, BTreeSet::from(bodies));
    delete_all(queue, &messages).await;
}

async fn what_sqs_refuses_is_refused_alone(queue: &dyn Queue) {
    let messages = [
        outgoing("good"),
        outgoing("agent \u{FFFF}"),
        outgoing("bell \u{7}"),
        outgoing(""),
        outgoing(&"x".repeat(300_000)),
        outgoing("also good"),
    ];
    let results = queue.send(&messages).await.unwrap();
    let kinds: Vec<Option<CloudErrorKind>> =
        results.iter().map(|result| result.as_ref().err().map(|error| error.kind())).collect();
    let (invalid, large) = (Some(CloudErrorKind::Invalid), Some(CloudErrorKind::TooLarge));
    assert_eq!(kinds, [None, invalid, invalid, invalid, large, None]);
    let received = receive_all(queue, 2).await;
    let bodies: BTreeSet<&str> = received.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, BTreeSet::from(["good", "also good"]));
    delete_all(queue, &received).await;
}

async fn attributes_survive(queue: &dyn Queue) {
    let attributes = BTreeMap::from([
        ("trailloop.level".to_owned(), "high".to_owned()),
        ("received_at".to_owned(), "2026-01-31T12:00:00Z é".to_owned()),
    ]);
    let message = Outgoing { attributes: attributes.clone(), ..outgoing("with attributes") };
    let too_many = Outgoing {
        attributes: (0..11).map(|number| (format!("a{number}"), "v".to_owned())).collect(),
        ..outgoing("with too many")
    };
    let results = queue.send(&[message, too_many]).await.unwrap();
    results[0].as_ref().unwrap();
    assert_eq!(results[1].as_ref().unwrap_err().kind(), CloudErrorKind::Invalid);
    let received = receive_all(queue, 1).await;
    assert_eq!(received[0].attributes, attributes);
    delete_all(queue, &received).await;
}

async fn what_makes_no_sense_is_invalid(queue: &dyn Queue) {
    for messages_max in [0, 11] {
        let error = queue.receive(messages_max, NO_WAIT, VISIBILITY).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Invalid);
        assert!(error.to_string().contains(queue.name()), "{error}");
    }
    let error = queue.receive(1, NO_WAIT, Duration::from_secs(43_201)).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Invalid);
}

/// A message that was delivered `receives_max` (2) times goes to the dead letters instead of a
/// third delivery, whole, and a receipt of before has no power over it there.
pub(crate) async fn check_dead_letters(queue: &dyn Queue, dead_letters: &dyn Queue) {
    let attributes = BTreeMap::from([("reason".to_owned(), "test".to_owned())]);
    let poison = Outgoing { attributes: attributes.clone(), ..outgoing("poison") };
    queue.send(&[poison]).await.unwrap()[0].as_ref().unwrap();
    let mut first = None;
    for delivery in 1..=2 {
        let messages = receive_all(queue, 1).await;
        assert_eq!(messages[0].receive_count, delivery);
        queue.extend(&receipts(&messages), NO_WAIT).await.unwrap()[0].as_ref().unwrap();
        first.get_or_insert(messages);
    }
    assert_empty(queue).await;
    assert_empty(queue).await;
    let dead = receive_all(dead_letters, 1).await;
    assert_eq!((dead[0].body.as_str(), &dead[0].attributes), ("poison", &attributes));
    assert_eq!(Some(dead[0].sent_at_ms), first.map(|messages| messages[0].sent_at_ms));
    delete_all(dead_letters, &dead).await;
}

/// The same deduplication id is accepted again and delivered once.
pub(crate) async fn check_deduplication(queue: &dyn Queue, differences: Differences) {
    let message = |body: &str, id: &str| Outgoing {
        group: Some("account-111122223333".to_owned()),
        deduplication: Some(id.to_owned()),
        ..outgoing(body)
    };
    let batch = [message("first", "id-1"), message("second", "id-2")];
    for result in queue.send(&batch).await.unwrap() {
        result.unwrap();
    }
    queue.send(&[message("first again", "id-1")]).await.unwrap()[0].as_ref().unwrap();
    let received = receive_all(queue, 2).await;
    let bodies: Vec<&str> = received.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["first", "second"]);
    delete_all(queue, &received).await;
    if differences.forgets_deduplication_of_the_deleted {
        return;
    }
    queue.send(&[message("first once more", "id-1")]).await.unwrap()[0].as_ref().unwrap();
    assert_empty(queue).await;
}
