//! Where a replay was, so that the next one goes on from there.
//!
//! Results come in order, so the place is one number; with it go the length of the output at that moment and the
//! counts so far. The file is replaced whole, after the output is on disk: a replay that dies repeats a little, and
//! cuts the repeated findings off first.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_finding::Level;

use crate::UsageError;
use crate::replay::Summary;

/// A place in a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// What is replayed: the same sources, rules, filters and output, or the place means nothing.
    pub(crate) of: String,
    /// The SOURCE argument and the name of the last object that is done.
    pub(crate) last: (usize, String),
    /// How many objects are done.
    pub(crate) done: u64,
    /// The highest level found so far.
    pub(crate) highest: Option<Level>,
    /// The length of the output after it.
    pub(crate) output_bytes: u64,
    /// The counts after it.
    pub(crate) summary: Summary,
}

impl Checkpoint {
    /// Reads the place, if the file exists.
    pub(crate) fn load(path: &Path, of: &str) -> anyhow::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let place = serde_json::from_str(&text).ok().and_then(|value| Self::from_json(&value));
        let Some(place) = place else {
            let path = path.display();
            return Err(UsageError(format!(
                "{path} is no place of a replay; delete it to start anew"
            ))
            .into());
        };
        if place.of != of {
            let path = path.display();
            let text = format!(
                "{path} is the place of another replay: sources, rules, filters or output differ; delete it to start anew"
            );
            return Err(UsageError(text).into());
        }
        Ok(Some(place))
    }

    /// Replaces the file.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = Path::new(&new);
        let write = || {
            let mut file = fs::File::create(new)?;
            writeln!(file, "{}", self.to_json())?;
            file.sync_data()
        };
        write().with_context(|| format!("write {}", new.display()))?;
        fs::rename(new, path).with_context(|| format!("replace {}", path.display()))
    }

    fn to_json(&self) -> Value {
        json!({
            "of": self.of,
            "source": self.last.0,
            "name": self.last.1,
            "done": self.done,
            "highest": self.highest.map(Level::as_str),
            "output_bytes": self.output_bytes,
            "summary": self.summary.to_json(),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let source = usize::try_from(value.get("source")?.as_u64()?).ok()?;
        Some(Self {
            of: value.get("of")?.as_str()?.to_owned(),
            last: (source, value.get("name")?.as_str()?.to_owned()),
            done: value.get("done")?.as_u64()?,
            highest: value.get("highest")?.as_str().and_then(Level::parse),
            output_bytes: value.get("output_bytes")?.as_u64()?,
            summary: Summary::from_json(value.get("summary")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_another_replays_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("place");
        assert_eq!(Checkpoint::load(&path, "x").unwrap(), None);
        let place = Checkpoint {
            of: "x".to_owned(),
            last: (1, "b/k".to_owned()),
            done: 3,
            highest: Some(Level::High),
            output_bytes: 7,
            summary: Summary { objects: 3, records: 9, ..Summary::default() },
        };
        place.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path, "x").unwrap(), Some(place));
        assert!(Checkpoint::load(&path, "y").unwrap_err().is::<UsageError>());
        fs::write(&path, "{}").unwrap();
        assert!(Checkpoint::load(&path, "x").unwrap_err().is::<UsageError>());
    }
}
