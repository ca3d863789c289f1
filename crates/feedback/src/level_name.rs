//! A level in what is kept: by Sigma's name, as `#[serde(with = "level_name")]`.

use serde::{Deserialize as _, Deserializer, Serializer, de};
use trailloop_finding::Level;

pub(crate) fn serialize<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    let name = String::deserialize(deserializer)?;
    let names = || Level::ALL.map(Level::as_str).join(", ");
    Level::parse(&name)
        .ok_or_else(|| de::Error::custom(format!("level {name:?} is none of {}", names())))
}
