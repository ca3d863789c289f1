//! The accounts of the organization, what each is for, and names that never change.

use super::act::Place;

/// Where a share of an account's records comes from; our assumption: one region leads, others are for customers near
/// them and for recovery. Accounts that run the organization stay in the first.
pub(super) const REGIONS: &[(u32, &str)] = &[
    (45, HOME),
    (20, "us-west-2"),
    (20, "eu-west-1"),
    (10, "eu-central-1"),
    (5, "ap-southeast-2"),
];

/// Where calls of services without a region are recorded.
pub(super) const HOME: &str = "us-east-1";

/// What the organization makes. Each has accounts of its own for production, staging and development.
pub(super) const TEAMS: &[&str] = &[
    "orders", "billing", "search", "catalog", "reports", "users", "images", "exports", "stock",
    "mail", "pricing", "parcels",
];

/// What an account is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Production,
    Staging,
    Development,
    Management,
    LogArchive,
    Security,
    Shared,
}

pub(super) const KINDS: [Kind; 7] = [
    Kind::Production,
    Kind::Staging,
    Kind::Development,
    Kind::Management,
    Kind::LogArchive,
    Kind::Security,
    Kind::Shared,
];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Production => "prod",
            Self::Staging => "stage",
            Self::Development => "dev",
            Self::Management => "management",
            Self::LogArchive => "log-archive",
            Self::Security => "security",
            Self::Shared => "shared",
        }
    }

    /// Log objects in each round; our assumption: a production account does four times what another does.
    fn objects(self) -> usize {
        if self == Self::Production { 4 } else { 1 }
    }

    /// Whether this is such a place.
    pub(super) fn is_in(self, place: Place) -> bool {
        match place {
            Place::Anywhere => true,
            Place::Workloads => {
                matches!(self, Self::Production | Self::Staging | Self::Development)
            }
            Place::Production => self == Self::Production,
            Place::Development => self == Self::Development,
            Place::Management => self == Self::Management,
            Place::Security => self == Self::Security,
            Place::Shared => self == Self::Shared,
        }
    }

    /// The regions this account is used in.
    pub(super) fn regions(self) -> &'static [(u32, &'static str)] {
        if self == Self::Management { &[(1, HOME)] } else { REGIONS }
    }
}

/// An account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) team: &'static str,
    /// What the team runs in it.
    pub(super) apps: Vec<String>,
}

/// What each team runs; our assumption.
const APPS: [&str; 4] = ["api", "jobs", "store", "sync"];

/// Below this there are no accounts for running the organization among those whose logs are written.
const ACCOUNTS_WITH_MANAGEMENT: usize = 8;

/// The accounts, the workloads' first.
pub(super) fn accounts(count: usize) -> Vec<Account> {
    let special = [Kind::Management, Kind::LogArchive, Kind::Security, Kind::Shared];
    let special = if count < ACCOUNTS_WITH_MANAGEMENT { &[][..] } else { &special[..] };
    let workloads = count - special.len();
    let kinds = [Kind::Production, Kind::Development, Kind::Staging];
    let kind = |nth: usize| match nth.checked_sub(workloads) {
        Some(nth) => special[nth],
        None => kinds[nth % kinds.len()],
    };
    (0..count)
        .map(|nth| {
            let team = TEAMS[nth / kinds.len() % TEAMS.len()];
            // Twelve digits that no reader takes for a real account's.
            let id = format!("{:012}", 100_000_000_000 + nth as u64 * 1_111);
            let apps = APPS.iter().map(|app| format!("{team}-{app}")).collect();
            Account { id, kind: kind(nth), team, apps }
        })
        .collect()
}

/// Which account writes which object of a round.
pub(super) fn schedule(accounts: &[Account]) -> Vec<usize> {
    let most = accounts.iter().map(|account| account.kind.objects()).max().unwrap_or(1);
    let pass = |nth: usize| {
        let writes = move |(_, account): &(usize, &Account)| account.kind.objects() > nth;
        accounts.iter().enumerate().filter(writes).map(|(at, _)| at)
    };
    (0..most).flat_map(pass).collect()
}

/// The account outside of the organization that the vendor's scanner comes from.
pub(super) const VENDOR: &str = "999900001111";

/// Mixes texts and a number into one number that is always the same for the same (FNV-1a, and a finish that spreads it).
pub(super) fn mix(parts: &[&str], number: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 32)
}

/// An id such as `AROA…EXAMPLE`: 21 characters for roles and users, 20 for keys.
pub(super) fn unique_id(prefix: &str, parts: &[&str]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let length = if prefix.ends_with("IA") { 9 } else { 10 };
    let mut bits = mix(parts, 0);
    let mut id = String::with_capacity(21);
    id.push_str(prefix);
    for _ in 0..length {
        id.push(char::from(LETTERS[(bits & 31) as usize]));
        bits >>= 5;
    }
    id.push_str("EXAMPLE");
    id
}
