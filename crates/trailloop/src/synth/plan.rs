//! How likely each doing is in each place, so that over the whole organization every one has its share.
//!
//! Something that happens in few accounts, or in one region because its service has none, is more likely there by as
//! much as the place is small. What happens everywhere fills the rest of each place.

use super::accounts::{Account, HOME, KINDS, Kind};
use super::act::{Doing, Place};
use super::catalogue;

/// Data events among the records of the workloads' accounts, per million: half. Our choice.
pub(super) const DATA: f64 = 500_000.0;
/// The same for the management account, where nothing runs.
const DATA_OF_MANAGEMENT: f64 = 100_000.0;
/// What happens everywhere keeps at least this share of a place.
const EVERYWHERE_MIN: f64 = 50_000.0;

const MILLION: f64 = 1_000_000.0;
/// Weights are whole numbers of a millionth of a share.
const UNIT: f64 = 1e6;

/// Doings with their weights, summed up.
#[derive(Default)]
struct Choices {
    sums: Vec<u64>,
    doings: Vec<&'static Doing>,
}

/// What happens where, and how likely.
pub(super) struct Plan {
    /// For each kind of account: in the home region, and in others.
    places: Vec<[Choices; 2]>,
}

impl Plan {
    pub(super) fn new(accounts: &[Account], schedule: &[usize]) -> Self {
        let parts = parts(accounts, schedule);
        let place = |kind: Kind| [true, false].map(|home| choices(&parts, kind, home));
        Self { places: KINDS.iter().map(|kind| place(*kind)).collect() }
    }

    /// What happens next in an account of this kind in this region.
    pub(super) fn next(
        &self,
        random: &mut fastrand::Rng,
        kind: Kind,
        region: &str,
    ) -> &'static Doing {
        let choices = &self.places[kind as usize][usize::from(region != HOME)];
        let total = choices.sums.last().copied().unwrap_or(1);
        let at = random.u64(0..total.max(1));
        let nth = choices.sums.partition_point(|sum| *sum <= at);
        choices.doings[nth]
    }
}

/// The part of all records that each kind of account has, in the home region and in others.
fn parts(accounts: &[Account], schedule: &[usize]) -> Vec<(Kind, bool, f64)> {
    let mut parts = Vec::new();
    for kind in KINDS {
        let objects = schedule.iter().filter(|nth| accounts[**nth].kind == kind).count();
        let regions = kind.regions();
        let total: u32 = regions.iter().map(|(weight, _)| weight).sum();
        for home in [true, false] {
            let of = regions.iter().filter(|(_, name)| (*name == HOME) == home);
            let weight: u32 = of.map(|(weight, _)| weight).sum();
            let part = small(objects) / small(schedule.len().max(1));
            parts.push((kind, home, part * f64::from(weight) / f64::from(total)));
        }
    }
    parts
}

fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn fits(doing: &Doing, kind: Kind, home: bool) -> bool {
    kind.is_in(doing.place) && (home || !doing.is_global())
}

fn is_everywhere(doing: &Doing) -> bool {
    doing.place == Place::Anywhere && !doing.is_global()
}

pub(super) fn records(doing: &Doing) -> f64 {
    doing.share * f64::from(doing.length())
}

fn choices(parts: &[(Kind, bool, f64)], kind: Kind, home: bool) -> Choices {
    let mut weighed = Vec::new();
    let mut taken = [0.0, 0.0];
    for doing in catalogue::all().filter(|doing| !is_everywhere(doing) && fits(doing, kind, home)) {
        let fitting = parts.iter().filter(|(kind, home, _)| fits(doing, *kind, *home));
        let part: f64 = fitting.map(|(.., part)| part).sum();
        if part > 0.0 {
            weighed.push((doing, 1.0 / part));
            taken[usize::from(doing.is_data())] += records(doing) / part;
        }
    }
    let data = if kind == Kind::Management { DATA_OF_MANAGEMENT } else { DATA };
    for (is_data, room) in [(false, MILLION - data), (true, data)] {
        let everywhere =
            || catalogue::all().filter(|doing| is_everywhere(doing) && doing.is_data() == is_data);
        let sum: f64 = everywhere().map(records).sum();
        let scale = (room - taken[usize::from(is_data)]).max(EVERYWHERE_MIN) / sum.max(1.0);
        weighed.extend(everywhere().map(|doing| (doing, scale)));
    }
    let mut choices = Choices::default();
    let mut sum = 0;
    for (doing, scale) in weighed {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share is positive and far below 2^53 units"
        )]
        let weight = (doing.share * scale * UNIT).round() as u64;
        sum += weight;
        choices.sums.push(sum);
        choices.doings.push(doing);
    }
    choices
}
