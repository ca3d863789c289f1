//! What the operator allows, whatever a runbook says.

use std::time::Duration;

use trailloop_runbook::document::Mode;

/// The bounds of everything that is done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most that any runbook may do by itself. Dry run, unless the operator says more.
    pub mode: Mode,
    /// Whether narrow, reversible actions with a deterministic trigger may be automatic before there is a record of verdicts.
    pub first_day_auto: bool,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The name of the role that is assumed in target accounts: nothing ever acts on it.
    pub responder_role: String,
    /// The management account, which is never acted in.
    pub management_account: Option<String>,
    /// The account from which the organization and Identity Center are changed: a delegated administrator.
    pub organization_account: Option<String>,
    /// Globs of ARNs that are never acted on: break-glass users and roles.
    pub protected: Vec<String>,
    /// An event older than this is not acted on.
    pub max_age: Duration,
    /// Automatic runs an hour of one runbook in one account.
    pub per_hour_account: u32,
    /// Automatic runs an hour of one runbook in all accounts.
    pub per_hour_org: u32,
    /// Times in which nothing is done without a person, as [from, to) in milliseconds of Unix time.
    pub freezes: Vec<(i64, i64)>,
    /// How long the effect of a run is watched; begins anew when a change is reverted.
    pub watch: Duration,
    /// How long a success of the lineage after the act proves nothing yet: IAM is eventually consistent.
    pub grace: Duration,
    /// How often open runs are looked at.
    pub tick: Duration,
    /// How often a change is made again that somebody reverts, before others are called.
    pub reassert_max: u32,
    /// The regions whose trails are searched for the calls of a credential, beside the finding's own.
    pub regions: Vec<String>,
    /// The most bytes of objects that one search reads.
    pub scan_bytes_max: u64,
    /// Whether what people say in Security Hub is a verdict here: whoever may update findings there can then undo what was done.
    pub hears_security_hub: bool,
    /// Whether the executor's rights are simulated before a runbook is used in an account for the first time.
    pub simulates: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::DryRun,
            first_day_auto: false,
            partition: "aws".to_owned(),
            responder_role: "trailloop-responder".to_owned(),
            management_account: None,
            organization_account: None,
            protected: Vec::new(),
            max_age: Duration::from_secs(6 * 3600),
            per_hour_account: 3,
            per_hour_org: 10,
            freezes: Vec::new(),
            watch: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(120),
            tick: Duration::from_secs(5),
            reassert_max: 100,
            regions: vec!["us-east-1".to_owned()],
            scan_bytes_max: 256 << 20,
            hears_security_hub: false,
            simulates: true,
        }
    }
}
