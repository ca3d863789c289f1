//! What the counted paths are given: records of the fixtures, and rules made for measuring.
//!
//! Counts are compared with those of earlier versions, so what is given must not change with the code around it: the
//! records are those of `fixtures/logs`, and the rules are made here and nowhere else.

pub mod records;
pub mod rules;
