//! Queues and object stores: two small traits, and the kinds of them this project runs on.
//!
//! Read [`Queue`] and [`Store`] first: each method says what its `Ok` means, and every kind keeps
//! that promise. One test suite (`tests/it`) runs over all of them.
//!
//! | Kind | Queue | Store | For |
//! |---|---|---|---|
//! | AWS | [`AwsQueue`] | [`AwsStore`] | production, and emulators over real HTTP |
//! | embedded | [`LocalQueue`] | [`FolderStore`] | the demo, one machine without an account |
//! | memory | [`MemoryQueue`] | [`MemoryStore`] | simulation on tokio's clock |
//! | faulty | [`FaultyQueue`] | [`FaultyStore`] | wraps any other kind and breaks it on purpose |
//! | metered | [`MeteredQueue`] | [`MeteredStore`] | wraps any other kind and counts its requests |
//!
//! The state table ([`Table`]) has its kinds too: [`AwsTable`], [`LocalTable`], [`MemoryTable`] and [`FaultyTable`].
//! [`Athena`] runs statements of SQL. Messages to people leave by [`HttpNotifier`], or stay in [`MemoryNotifier`].
//!
//! Only this crate names `aws-sdk-*` and `rusqlite`; what leaves it are plain values and
//! [`CloudError`], which says what failed, on what, and whether trying again can help.

mod actions;
mod aws;
mod clock;
mod error;
mod faulty;
mod folder;
mod local_queue;
mod memory;
mod metered;
mod notifier;
pub mod provision;
mod queue;
mod store;
mod table;
mod vault;

pub use actions::{Actions, Answer, Attempt, FakeAccounts, FaultyActions, Requested, Session};
pub use aws::{
    ActionOptions, Athena, AthenaColumn, AthenaCost, AthenaExecution, AthenaPage, AthenaState,
    AthenaStatement, AthenaValue, Aws, AwsActions, AwsOptions, AwsQueue, AwsStore, AwsTable,
    AwsVault, MemberAccount, Organization, connect,
};
pub use clock::{Clock, ManualClock};
pub use error::{CloudError, CloudErrorKind};
pub use faulty::{Fault, FaultPlan, FaultRate, FaultyQueue, FaultyStore, Operation, ScriptedFault};
pub use folder::FolderStore;
pub use local_queue::{DeadLetters, LocalQueue, LocalQueues};
pub use memory::{MemoryQueue, MemoryStore};
pub use metered::{Meter, MeteredQueue, MeteredStore};
pub use notifier::{HttpNotifier, MemoryNotifier, Notifier, Post};
pub use queue::{
    ATTRIBUTES_MAX, Message, Outgoing, Queue, Receipt, VISIBILITY_SECONDS_MAX, character_allowed,
};
pub use store::{LIST_PAGE_MAX, Listed, Object, ObjectRef, Page, Store};
pub use table::{
    Expected, FaultyTable, LocalTable, MemoryTable, PARTITION_BYTES_MAX, Row, RowKey,
    SORT_BYTES_MAX, Table, VALUE_BYTES_MAX, Written,
};
pub use vault::{FolderVault, Shelf, Vault};
