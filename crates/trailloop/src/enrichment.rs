//! The operator's files for enriched fields: which of a folder is what, and reading them.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_enrichment::{
    Accounts, DATABASE_BYTES_MAX, ENVIRONMENT_BYTES_MAX, Enrichment, Environment, Places,
    Principals, Problems, TABLE_BYTES_MAX,
};

use crate::UsageError;
use crate::rulefiles::{Stamp, stamp_of};
use crate::show::shown;

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
    fn of(folder: &Path) -> Result<Self, UsageError> {
        let unreadable = |error: std::io::Error| {
            UsageError(format!(
                "failed to read the enrichment folder {}: {error}",
                folder.display()
            ))
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
                return Err(UsageError(format!(
                    "both {one} and {other} are there; remove one of them"
                )));
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
pub(crate) fn stamps(folder: &Path) -> Result<Vec<Stamp>, UsageError> {
    Ok(Files::of(folder)?.paths().map(|path| stamp_of(path)).collect())
}

/// Reads the files of a folder; without a folder nothing is known. A file that is damaged refuses them all, with every
/// problem of it: facts that are half there would silence rules.
pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Arc<Enrichment>> {
    let Some(folder) = folder else { return Ok(Arc::default()) };
    let files = Files::of(folder)?;
    for path in &files.others {
        tracing::warn!(path = %shown(&path.display().to_string()), "no part of the enrichment: nothing reads this file");
    }
    let mut named = Vec::new();
    for path in &files.places {
        named.push((name_of(path), read(path, DATABASE_BYTES_MAX)?));
    }
    let places = match named.is_empty() {
        true => None,
        false => Some(Arc::new(Places::from_bytes(named).map_err(|problems| refused(&problems))?)),
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
    Ok(Arc::new(Enrichment { places, accounts, principals, environment }))
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
    let file = fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut bytes = Vec::new();
    let read = file.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("read {}", path.display()))?;
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
        assert!(Files::of(folder.path()).unwrap_err().0.contains("both"));
        assert!(Files::of(&folder.path().join("none")).unwrap_err().0.contains("none"));
    }
}
