//! One record of an address database, whatever its layout, decoded without copying.
//!
//! GeoIP2, GeoLite2 and DB-IP nest: `country.iso_code`, `city.names.en`. IPinfo and others are flat: `country_code`, or
//! `country` with the code as its text, `asn` as "AS15169", `as_name`. Both are read at once: a key either has the kind of
//! value that is expected below it, or says nothing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::places::Place;
use crate::text::bounded;

/// The facts of one record.
#[derive(Debug, Default)]
pub(crate) struct Facts<'d>(pub(crate) Place<'d>);

/// What a key holds, as far as anyone asks.
#[derive(Debug, Default)]
enum Value<'d> {
    Text(&'d str),
    Number(u64),
    /// A map, with what it says under `iso_code` and under `names.en`.
    Map {
        iso_code: Option<&'d str>,
        name: Option<&'d str>,
        english: Option<&'d str>,
    },
    #[default]
    Other,
}

impl<'d> Value<'d> {
    fn text(&self) -> Option<&'d str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(bounded(text)),
            _ => None,
        }
    }

    /// The code of a country, nested or alone.
    fn country(&self) -> Option<&'d str> {
        let code = match self {
            Self::Map { iso_code, .. } => *iso_code,
            _ => self.text(),
        };
        code.filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
    }

    /// The name of a city, nested or alone.
    fn city(&self) -> Option<&'d str> {
        match self {
            Self::Map { name, .. } => name.filter(|name| !name.is_empty()).map(bounded),
            _ => self.text(),
        }
    }

    /// The number of an autonomous system, as a number or with its prefix.
    fn system(&self) -> Option<u32> {
        match self {
            Self::Number(number) => u32::try_from(*number).ok(),
            Self::Text(text) => {
                let digits = text.strip_prefix("AS").unwrap_or(text);
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                is_number.then(|| digits.parse().ok()).flatten()
            }
            _ => None,
        }
    }
}

impl<'d> Deserialize<'d> for Facts<'d> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'d> Visitor<'d> for RecordVisitor {
    type Value = Facts<'d>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Facts<'d>, A::Error> {
        let mut place = Place::default();
        // Where a record has both, the key that can only be a code says more than one that may be a name.
        let mut country = None;
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "country_code" => place.country = map.next_value::<Value<'_>>()?.country(),
                "country" => country = map.next_value::<Value<'_>>()?.country(),
                "city" => place.city = map.next_value::<Value<'_>>()?.city(),
                "autonomous_system_number" | "asn" => {
                    place.asn = map.next_value::<Value<'_>>()?.system().or(place.asn);
                }
                "autonomous_system_organization" | "as_name" => {
                    place.organization =
                        map.next_value::<Value<'_>>()?.text().or(place.organization);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        place.country = place.country.or(country);
        Ok(Facts(place))
    }
}

impl<'d> Deserialize<'d> for Value<'d> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'d> Visitor<'d> for ValueVisitor {
    type Value = Value<'d>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'d str) -> Result<Value<'d>, E> {
        Ok(Value::Text(text))
    }

    fn visit_str<E>(self, _: &str) -> Result<Value<'d>, E> {
        Ok(Value::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value<'d>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'d>, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'d>, E> {
        Ok(u64::try_from(number).map_or(Value::Other, Value::Number))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value<'d>, E> {
        Ok(u64::try_from(number).map_or(Value::Other, Value::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'d>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'d>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut elements: A) -> Result<Value<'d>, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Value<'d>, A::Error> {
        let (mut iso_code, mut name, mut english) = (None, None, None);
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "iso_code" => iso_code = map.next_value::<Value<'_>>()?.text(),
                "en" => english = map.next_value::<Value<'_>>()?.text(),
                "names" => {
                    if let Value::Map { english, .. } = map.next_value()? {
                        name = english;
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::Map { iso_code, name, english })
    }
}
