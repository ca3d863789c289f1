//! What the organization does, and how often.
//!
//! A share is how often something is begun in a million records of the whole organization, which is about a day of it:
//! thirty-six accounts, some sixty people with access, a few hundred deployments. No public source counts these for an
//! organization as a whole, so where a table names no source its shares are our assumption.

mod data;
mod life;
mod people;
mod pipelines;
mod security;
mod services;
mod signin;
mod upkeep;
mod workloads;

use super::act::Doing;

const TABLES: [&[Doing]; 12] = [
    data::DATA,
    workloads::WORKLOADS,
    workloads::FOR_WORKLOADS,
    services::SERVICES,
    security::SECURITY,
    pipelines::READING,
    pipelines::DEPLOYING,
    life::CHANGES,
    upkeep::UPKEEP,
    upkeep::ORGANIZATION,
    people::PEOPLE,
    signin::SIGN_IN,
];

pub(super) fn all() -> impl Iterator<Item = &'static Doing> {
    TABLES.iter().flat_map(|table| table.iter())
}
