//! Queues and stores that break on purpose, around any other kind. The store is in `faulty/store.rs`, the table in
//! `table/faulty.rs`.
//!
//! A [`FaultPlan`] says which calls fail, as a list of faults or as rates drawn from a seed. Each
//! entry of a batch is a call of its own. Calls are numbered per operation, and what happens to call
//! `n` of an operation is a function of the seed, the operation and `n` alone: no clock, no
//! randomness of the system, and no influence of what other operations did in between. Delays
//! are the one effect on time, and sleep on tokio's clock.
//!
//! The nastiest faults are those where the work was done and the answer lost
//! ([`Fault::DoneButFails`]): they are what makes "at least once" different from "once".

mod store;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

pub use self::store::FaultyStore;
use crate::error::{CloudError, CloudErrorKind};
use crate::queue::{Message, Outgoing, Queue, Receipt};

/// Marks the receipt of a delivery that this wrapper repeated.
const REPEATED: &str = "repeated:";

/// A call that can be made to fail, or counted. For faults each entry of a batch is a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// [`Queue::receive`], the call as a whole.
    Receive,
    /// One receipt of [`Queue::extend`].
    Extend,
    /// One receipt of [`Queue::delete`].
    Delete,
    /// One message of [`Queue::send`].
    Send,
    /// [`crate::Store::list`].
    List,
    /// [`crate::Store::get`].
    Get,
    /// [`crate::Table::get`].
    GetRow,
    /// [`crate::Table::put`].
    PutRow,
    /// [`crate::Table::delete`].
    DeleteRow,
    /// [`crate::Table::list`].
    ListRows,
    /// [`crate::Notifier::post`].
    Post,
    /// [`crate::Actions::call`].
    Call,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::Receive,
        Self::Extend,
        Self::Delete,
        Self::Send,
        Self::List,
        Self::Get,
        Self::GetRow,
        Self::PutRow,
        Self::DeleteRow,
        Self::ListRows,
        Self::Post,
        Self::Call,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Extend => "extend",
            Self::Delete => "delete",
            Self::Send => "send",
            Self::List => "list",
            Self::Get => "get",
            Self::GetRow => "get row",
            Self::PutRow => "put row",
            Self::DeleteRow => "delete row",
            Self::ListRows => "list rows",
            Self::Post => "post",
            Self::Call => "call",
        }
    }
}

/// What goes wrong with a call. A fault that has no meaning for an operation does nothing there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// It is not done, and answers this kind of error.
    Fails(CloudErrorKind),
    /// It is done, and answers a transient error all the same.
    DoneButFails,
    /// It is done after this long.
    Delay(Duration),
    /// Receive: the messages of this call are delivered once more by a later call, even if they
    /// were deleted meanwhile.
    Repeat,
    /// Get: the second half of the body is missing, and nobody says so.
    Truncate,
    /// Get: one byte of the body is another.
    Corrupt,
}

impl Fault {
    /// A word for counting, without the fault's numbers.
    fn name(self) -> String {
        match self {
            Self::Fails(kind) => format!("fails {kind}"),
            Self::DoneButFails => "done but fails".to_owned(),
            Self::Delay(_) => "delay".to_owned(),
            Self::Repeat => "repeat".to_owned(),
            Self::Truncate => "truncate".to_owned(),
            Self::Corrupt => "corrupt".to_owned(),
        }
    }
}

/// One fault of a list: what happens to the call with this number of this operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScriptedFault {
    /// The operation.
    pub operation: Operation,
    /// Which of its calls, counted from 0.
    pub call: u64,
    /// What happens.
    pub fault: Fault,
}

/// How often a fault comes, when faults are drawn from a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultRate {
    /// The operation.
    pub operation: Operation,
    /// What happens. A [`Fault::Delay`] lasts up to its duration, as the seed says.
    pub fault: Fault,
    /// In how many of 1000 calls.
    pub per_mille: u32,
}

/// Decides which calls fail, and counts those that did. Its clones share both.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    script: BTreeMap<(Operation, u64), Fault>,
    seed: u64,
    rates: Vec<FaultRate>,
    healed: bool,
    calls: BTreeMap<Operation, u64>,
    fired: BTreeMap<String, u64>,
}

impl FaultPlan {
    /// No faults at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Exactly these faults.
    pub fn script(faults: impl IntoIterator<Item = ScriptedFault>) -> Self {
        let script =
            faults.into_iter().map(|entry| ((entry.operation, entry.call), entry.fault)).collect();
        Self::from_state(State { script, ..State::default() })
    }

    /// Faults at these rates, drawn from a seed. The rates of one operation share its 1000 calls:
    /// the first that claims a draw has it.
    pub fn seeded(seed: u64, rates: impl IntoIterator<Item = FaultRate>) -> Self {
        let rates = rates.into_iter().collect();
        Self::from_state(State { seed, rates, ..State::default() })
    }

    /// Ends all faults from now on, so that a simulation can show that everything arrives.
    pub fn heal(&self) {
        self.state().healed = true;
    }

    /// How often each fault fired, by operation and fault, for example `send done but fails`.
    pub fn fired(&self) -> BTreeMap<String, u64> {
        self.state().fired.clone()
    }

    /// How many faults fired in all.
    pub fn fired_total(&self) -> u64 {
        self.state().fired.values().sum()
    }

    fn from_state(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What must happen before a call that is a whole: it waits for the delay of the call, fails, or gives the error that
    /// takes the place of the answer once the call was done.
    pub(crate) async fn before(
        &self,
        operation: Operation,
        resource: &str,
    ) -> Result<Option<CloudError>, CloudError> {
        self.begin(operation, resource).await.map(|begun| begun.lost)
    }

    /// The same for a call whose answer may be spoiled, with what is to become of the answer.
    async fn begin(&self, operation: Operation, resource: &str) -> Result<Begun, CloudError> {
        let (fault, drawn) = self.next(operation);
        let mut lost = None;
        match fault {
            Some(Fault::Fails(kind)) => return Err(injected(kind, operation, resource)),
            Some(Fault::DoneButFails) => {
                lost = Some(injected(CloudErrorKind::Transient, operation, resource));
            }
            Some(Fault::Delay(duration)) => tokio::time::sleep(duration).await,
            _ => {}
        }
        Ok(Begun { lost, fault, drawn })
    }

    /// The fault of the next call of an operation, and a number drawn for it.
    pub(crate) fn next(&self, operation: Operation) -> (Option<Fault>, u64) {
        let mut state = self.state();
        let counter = state.calls.entry(operation).or_default();
        let call = *counter;
        *counter += 1;
        let drawn = draw(state.seed, operation, call);
        if state.healed {
            return (None, drawn);
        }
        let fault = state
            .script
            .get(&(operation, call))
            .copied()
            .or_else(|| drawn_fault(&state.rates, operation, drawn));
        if let Some(fault) = fault.filter(|fault| meaningful(operation, *fault)) {
            let name = format!("{} {}", operation.word(), fault.name());
            *state.fired.entry(name).or_default() += 1;
            return (Some(fault), drawn);
        }
        (None, drawn)
    }
}

/// A call that is made.
struct Begun {
    /// The error that takes the place of its answer.
    lost: Option<CloudError>,
    fault: Option<Fault>,
    /// The number drawn for it.
    drawn: u64,
}

/// The fault that a draw hits. The low bits choose it, the high bits its size.
fn drawn_fault(rates: &[FaultRate], operation: Operation, drawn: u64) -> Option<Fault> {
    let mut mark = drawn % 1000;
    for rate in rates.iter().filter(|rate| rate.operation == operation) {
        let share = u64::from(rate.per_mille);
        if mark < share {
            return Some(match rate.fault {
                Fault::Delay(longest) => {
                    let parts = u32::try_from((drawn >> 32) % 1000).unwrap_or(0) + 1;
                    Fault::Delay(longest * parts / 1000)
                }
                fault => fault,
            });
        }
        mark -= share;
    }
    None
}

/// SplitMix64 over seed, operation and number of the call.
fn draw(seed: u64, operation: Operation, call: u64) -> u64 {
    let mut mixed = seed;
    for part in [operation as u64 + 1, call] {
        mixed = mixed.wrapping_add(part.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = mixed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
    }
    mixed
}

fn meaningful(operation: Operation, fault: Fault) -> bool {
    match fault {
        Fault::Fails(_) | Fault::DoneButFails | Fault::Delay(_) => true,
        Fault::Repeat => operation == Operation::Receive,
        Fault::Truncate | Fault::Corrupt => operation == Operation::Get,
    }
}

pub(crate) fn injected(kind: CloudErrorKind, operation: Operation, resource: &str) -> CloudError {
    CloudError::new(kind, operation.word(), resource, "a fault of the plan")
        .with_code("InjectedFault")
}

/// The fate of each entry of a batch, after all delays have passed.
async fn fates(plan: &FaultPlan, operation: Operation, entries: usize) -> Vec<Option<Fault>> {
    let faults: Vec<_> = (0..entries).map(|_| plan.next(operation).0).collect();
    let longest = faults
        .iter()
        .filter_map(|fault| match fault {
            Some(Fault::Delay(duration)) => Some(*duration),
            _ => None,
        })
        .max();
    if let Some(longest) = longest {
        tokio::time::sleep(longest).await;
    }
    faults
}

/// Puts the results of the entries that were passed on back among those that failed at once.
fn merge(
    operation: Operation,
    resource: &str,
    faults: &[Option<Fault>],
    passed_on: Vec<Result<(), CloudError>>,
) -> Vec<Result<(), CloudError>> {
    let mut passed_on = passed_on.into_iter();
    faults
        .iter()
        .map(|fault| match fault {
            Some(Fault::Fails(kind)) => Err(injected(*kind, operation, resource)),
            Some(Fault::DoneButFails) => {
                passed_on.next();
                Err(injected(CloudErrorKind::Transient, operation, resource))
            }
            _ => passed_on.next().unwrap_or_else(|| {
                Err(CloudError::new(
                    CloudErrorKind::Transient,
                    operation.word(),
                    resource,
                    "the wrapped queue gave too few results",
                ))
            }),
        })
        .collect()
}

/// The entries that reach the wrapped queue.
fn passing<T: Clone>(entries: &[T], faults: &[Option<Fault>]) -> Vec<T> {
    entries
        .iter()
        .zip(faults)
        .filter(|(_, fault)| !matches!(fault, Some(Fault::Fails(_))))
        .map(|(entry, _)| entry.clone())
        .collect()
}

/// A queue whose calls fail as the plan says.
pub struct FaultyQueue {
    inner: Arc<dyn Queue>,
    plan: FaultPlan,
    repeats: Mutex<Repeats>,
}

#[derive(Default)]
struct Repeats {
    waiting: VecDeque<Message>,
    given: u64,
}

impl FaultyQueue {
    /// Wraps a queue. Give each its own plan, or the calls of both count together.
    pub fn new(inner: Arc<dyn Queue>, plan: FaultPlan) -> Self {
        Self { inner, plan, repeats: Mutex::default() }
    }

    /// The plan, to heal it or to count what fired.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deliveries to repeat that were waiting, under receipts of their own.
    fn repeated(&self, messages_max: usize) -> Vec<Message> {
        let mut repeats = self.repeats();
        let count = repeats.waiting.len().min(messages_max);
        let Repeats { waiting, given } = &mut *repeats;
        waiting
            .drain(..count)
            .map(|mut message| {
                *given += 1;
                message.receipt = Receipt(format!("{REPEATED}{given}:{}", message.receipt.0));
                message.receive_count += 1;
                message
            })
            .collect()
    }
}

/// The receipt that the wrapped queue knows.
fn inner_receipt(receipt: &Receipt) -> Receipt {
    let inner = receipt
        .0
        .strip_prefix(REPEATED)
        .and_then(|rest| rest.split_once(':'))
        .map_or(receipt.0.as_str(), |(_, inner)| inner);
    Receipt(inner.to_owned())
}

#[async_trait]
impl Queue for FaultyQueue {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        let (fault, _) = self.plan.next(Operation::Receive);
        if let Some(Fault::Delay(duration)) = fault {
            tokio::time::sleep(duration).await;
        }
        if let Some(Fault::Fails(kind)) = fault {
            return Err(injected(kind, Operation::Receive, self.name()));
        }
        let repeated = self.repeated(messages_max);
        if !repeated.is_empty() {
            return Ok(repeated);
        }
        let messages = self.inner.receive(messages_max, wait, visibility).await?;
        match fault {
            Some(Fault::DoneButFails) => {
                Err(injected(CloudErrorKind::Transient, Operation::Receive, self.name()))
            }
            Some(Fault::Repeat) => {
                self.repeats().waiting.extend(messages.iter().cloned());
                Ok(messages)
            }
            _ => Ok(messages),
        }
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let faults = fates(&self.plan, Operation::Extend, receipts.len()).await;
        let inner: Vec<_> = passing(receipts, &faults).iter().map(inner_receipt).collect();
        let results = self.inner.extend(&inner, visibility).await?;
        Ok(merge(Operation::Extend, self.name(), &faults, results))
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let faults = fates(&self.plan, Operation::Delete, receipts.len()).await;
        let inner: Vec<_> = passing(receipts, &faults).iter().map(inner_receipt).collect();
        let results = self.inner.delete(&inner).await?;
        Ok(merge(Operation::Delete, self.name(), &faults, results))
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let faults = fates(&self.plan, Operation::Send, messages.len()).await;
        let results = self.inner.send(&passing(messages, &faults)).await?;
        Ok(merge(Operation::Send, self.name(), &faults, results))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemoryQueue, MemoryStore};
    use crate::store::{ObjectRef, Store};

    const VISIBILITY: Duration = Duration::from_secs(30);

    fn scripted(faults: &[(Operation, u64, Fault)]) -> FaultPlan {
        FaultPlan::script(
            faults
                .iter()
                .map(|(operation, call, fault)| ScriptedFault {
                    operation: *operation,
                    call: *call,
                    fault: *fault,
                })
                .collect::<Vec<_>>(),
        )
    }

    fn outgoing(bodies: &[&str]) -> Vec<Outgoing> {
        bodies.iter().map(|body| Outgoing { body: (*body).into(), ..Outgoing::default() }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_entry_of_a_send_has_its_own_fate() {
        let inner = MemoryQueue::new("q");
        let plan = scripted(&[
            (Operation::Send, 0, Fault::Fails(CloudErrorKind::Transient)),
            (Operation::Send, 2, Fault::DoneButFails),
        ]);
        let queue = FaultyQueue::new(Arc::new(inner.clone()), plan);
        let results = queue.send(&outgoing(&["a", "b", "c", "d"])).await.unwrap();
        let done: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(done, [false, true, false, true]);
        assert_eq!(inner.bodies(), ["b", "c", "d"], "c was accepted though it answered an error");
        assert_eq!(queue.plan().fired_total(), 2);
        assert_eq!(queue.plan().fired()["send done but fails"], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delete_may_be_done_and_fail_and_be_repeated() {
        let inner = MemoryQueue::new("q");
        let plan = scripted(&[(Operation::Delete, 0, Fault::DoneButFails)]);
        let queue = FaultyQueue::new(Arc::new(inner.clone()), plan);
        queue.send(&outgoing(&["a"])).await.unwrap();
        let messages = queue.receive(1, Duration::ZERO, VISIBILITY).await.unwrap();
        let receipts = [messages[0].receipt.clone()];
        assert!(queue.delete(&receipts).await.unwrap()[0].is_err());
        assert!(inner.is_empty());
        assert!(queue.delete(&receipts).await.unwrap()[0].is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_is_repeated_under_another_receipt() {
        let inner = MemoryQueue::new("q");
        let plan = scripted(&[(Operation::Receive, 0, Fault::Repeat)]);
        let queue = FaultyQueue::new(Arc::new(inner.clone()), plan);
        queue.send(&outgoing(&["a"])).await.unwrap();
        let first = queue.receive(10, Duration::ZERO, VISIBILITY).await.unwrap();
        let second = queue.receive(10, Duration::ZERO, VISIBILITY).await.unwrap();
        assert_eq!((first[0].id.as_str(), first.len()), (second[0].id.as_str(), second.len()));
        assert_ne!(first[0].receipt, second[0].receipt);
        let receipt = [second[0].receipt.clone()];
        assert!(queue.extend(&receipt, VISIBILITY).await.unwrap()[0].is_ok());
        assert!(queue.delete(&receipt).await.unwrap()[0].is_ok());
        assert!(inner.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_receive_leaves_the_messages_leased() {
        let inner = MemoryQueue::new("q");
        let plan = scripted(&[(Operation::Receive, 0, Fault::DoneButFails)]);
        let queue = FaultyQueue::new(Arc::new(inner.clone()), plan);
        queue.send(&outgoing(&["a"])).await.unwrap();
        assert!(queue.receive(1, Duration::ZERO, VISIBILITY).await.is_err());
        assert_eq!(inner.in_flight(), 1);
        tokio::time::advance(VISIBILITY).await;
        let again = queue.receive(1, Duration::ZERO, VISIBILITY).await.unwrap();
        assert_eq!(again[0].receive_count, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_come_short_or_changed_and_errors_come_once() {
        let inner = MemoryStore::new();
        inner.put("b", "k", "0123456789");
        let plan = scripted(&[
            (Operation::Get, 0, Fault::Fails(CloudErrorKind::NotFound)),
            (Operation::Get, 1, Fault::Truncate),
            (Operation::Get, 2, Fault::Corrupt),
            (Operation::Get, 3, Fault::Delay(Duration::from_secs(7))),
        ]);
        let store = FaultyStore::new(Arc::new(inner), plan);
        let object = ObjectRef::new("b", "k");
        let error = store.get(&object, 100).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::NotFound);
        assert_eq!(store.get(&object, 100).await.unwrap().bytes, "01234");
        let corrupted = store.get(&object, 100).await.unwrap().bytes;
        let differing =
            corrupted.iter().zip(b"0123456789").filter(|(found, put)| found != put).count();
        assert_eq!((corrupted.len(), differing), (10, 1));
        let before = tokio::time::Instant::now();
        assert_eq!(store.get(&object, 100).await.unwrap().bytes, "0123456789");
        assert_eq!(before.elapsed(), Duration::from_secs(7));
    }

    #[test]
    fn what_a_seed_decides_does_not_depend_on_the_order_of_operations() {
        let rates = [Operation::Send, Operation::Get].map(|operation| FaultRate {
            operation,
            fault: Fault::Delay(Duration::from_secs(1)),
            per_mille: 300,
        });
        let one = FaultPlan::seeded(42, rates);
        let other = FaultPlan::seeded(42, rates);
        let sends: Vec<_> = (0..200).map(|_| one.next(Operation::Send).0).collect();
        let mixed: Vec<_> = (0..200)
            .map(|_| {
                other.next(Operation::Get);
                other.next(Operation::Send).0
            })
            .collect();
        assert_eq!(sends, mixed);
        let fired = sends.iter().flatten().count();
        assert!((30..=90).contains(&fired), "300 per mille of 200 calls fired {fired} times");
        let another = FaultPlan::seeded(43, rates);
        let others: Vec<_> = (0..200).map(|_| another.next(Operation::Send).0).collect();
        assert_ne!(sends, others);
    }

    #[test]
    fn a_healed_plan_fires_no_more() {
        let plan = FaultPlan::seeded(
            7,
            [FaultRate { operation: Operation::Get, fault: Fault::Corrupt, per_mille: 1000 }],
        );
        assert!(plan.next(Operation::Get).0.is_some());
        plan.heal();
        assert!(plan.next(Operation::Get).0.is_none());
        assert_eq!(plan.fired_total(), 1);
    }
}
