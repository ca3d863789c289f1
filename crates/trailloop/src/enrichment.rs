//! The operator's files for enriched fields: which of a folder is what, and reading them.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trailloop_enrichment::{
    Accounts, DATABASE_BYTES_MAX, ENVIRONMENT_BYTES_MAX, Enrichment, Environment, Places,
    Principals, Problems, TABLE_BYTES_MAX,
};

use crate::rulefiles::{Stamp, stamp_of};
use crate::show::shown;
use crate::{Unreadable, UsageError};

/// The files of a folder, each in its part.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    places: Vec<PathBuf>,
    accounts: Option<PathBuf>,
    principals: Option<PathBuf>,
    environment: Option<PathBuf>,
    /// What nobody reads.
    others: Vec<PathBuf>,
}

impl Files {
    fn of(folder: &Path) -> anyhow::Result<Self> {
        let unreadable = |error: std::io::Error| {
            let folder = folder.display();
            Unreadable(format!("failed to read the enrichment folder {folder}: {error}"))
        };
        let entries = fs::read_dir(folder).map_err(unreadable)?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths: Vec<PathBuf> = entries.collect::<Result<_, _>>().map_err(unreadable)?;
        paths.sort();
        let mut files = Self::default();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let part = match name.as_str() {
                "accounts.csv" | "accounts.json" => &mut files.accounts,
                "principals.csv" | "principals.json" => &mut files.principals,
                "environment.toml" => &mut files.environment,
                _ if name.starts_with('.') => continue,
                _ if path.extension().is_some_and(|extension| extension == "mmdb") => {
                    files.places.push(path);
                    continue;
                }
                _ => {
                    files.others.push(path);
                    continue;
                }
            };
            if let Some(first) = part {
                let (one, other) = (first.display(), path.display());
                let text = format!("both {one} and {other} are there; remove one of them");
                return Err(UsageError(text).into());
            }
            *part = Some(path);
        }
        Ok(files)
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let tables = [&self.accounts, &self.principals, &self.environment];
        self.places.iter().chain(tables.into_iter().flatten())
    }
}

/// What tells that a file of the folder has changed.
pub(crate) fn stamps(folder: &Path) -> anyhow::Result<Vec<Stamp>> {
    Ok(Files::of(folder)?.paths().map(|path| stamp_of(path)).collect())
}

/// Reads the files of a folder; without a folder nothing is known.
pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Arc<Enrichment>> {
    Facts::default().load(folder)
}

/// What was read of a folder, so that the parts that did not change are not read again: databases are large.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    enrichment: Arc<Enrichment>,
    /// The stamps of the databases.
    places: Vec<Stamp>,
}

impl Facts {
    /// Reads what changed. A file that is damaged refuses them all, with every problem of it: facts that are half there would
    /// silence rules.
    pub(crate) fn load(&mut self, folder: Option<&Path>) -> anyhow::Result<Arc<Enrichment>> {
        let Some(folder) = folder else { return Ok(Arc::default()) };
        let files = Files::of(folder)?;
        for path in &files.others {
            let path = shown(&path.display().to_string());
            tracing::warn!(%path, "no part of the enrichment: nothing reads this file");
        }
        let stamps: Vec<Stamp> = files.places.iter().map(|path| stamp_of(path)).collect();
        let places = if stamps == self.places {
            self.enrichment.places.clone()
        } else {
            read_places(&files.places)?
        };
        let accounts = part(files.accounts.as_deref(), TABLE_BYTES_MAX, Accounts::parse)?;
        let principals = part(files.principals.as_deref(), TABLE_BYTES_MAX, Principals::parse)?;
        let environment =
            part(files.environment.as_deref(), ENVIRONMENT_BYTES_MAX, Environment::parse)?;
        let warnings = [
            accounts.as_ref().map(|part| part.warnings()),
            principals.as_ref().map(|part| part.warnings()),
            environment.as_ref().map(|part| part.warnings()),
        ];
        for warning in warnings.into_iter().flatten().flatten() {
            tracing::warn!("{warning}");
        }
        self.enrichment = Arc::new(Enrichment { places, accounts, principals, environment });
        self.places = stamps;
        Ok(Arc::clone(&self.enrichment))
    }
}

/// The address databases, if there are any; they have a bound together, because they stay in memory.
fn read_places(paths: &[PathBuf]) -> anyhow::Result<Option<Arc<Places>>> {
    let mut named = Vec::new();
    let mut bytes_left = DATABASE_BYTES_MAX;
    for path in paths {
        let bytes = read(path, bytes_left)?;
        let Some(left) = bytes_left.checked_sub(bytes.len()) else {
            let text = format!("the databases have more than {DATABASE_BYTES_MAX} bytes together");
            return Err(UsageError(format!("{}: {text}; remove one", path.display())).into());
        };
        bytes_left = left;
        named.push((name_of(path), bytes));
    }
    if named.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Places::from_bytes(named).map_err(|problems| refused(&problems))?)))
}

/// Reads one file, if it is there.
fn part<T>(
    path: Option<&Path>,
    bytes_max: usize,
    parse: impl Fn(&str, &[u8]) -> Result<T, Problems>,
) -> anyhow::Result<Option<Arc<T>>> {
    let Some(path) = path else { return Ok(None) };
    let bytes = read(path, bytes_max)?;
    let parsed = parse(&name_of(path), &bytes).map_err(|problems| refused(&problems))?;
    Ok(Some(Arc::new(parsed)))
}

fn name_of(path: &Path) -> String {
    path.display().to_string()
}

fn refused(problems: &Problems) -> UsageError {
    UsageError(format!("the enrichment is refused\n{problems}"))
}

/// A file's bytes, one more than the limit at most: the parser says that it is too large.
fn read(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let unreadable =
        |error: std::io::Error| Unreadable(format!("failed to read {}: {error}", path.display()));
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_folder_has_its_part() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        for name in ["b.mmdb", "a.mmdb", "accounts.json", "environment.toml", "notes.txt", ".x"] {
            put(name);
        }
        let files = Files::of(folder.path()).unwrap();
        let names = |paths: Vec<&PathBuf>| -> Vec<String> {
            paths
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(
            names(files.paths().collect()),
            ["a.mmdb", "b.mmdb", "accounts.json", "environment.toml"]
        );
        assert_eq!(names(files.others.iter().collect()), ["notes.txt"]);
        put("accounts.csv");
        assert!(Files::of(folder.path()).unwrap_err().to_string().contains("both"));
        assert!(Files::of(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
