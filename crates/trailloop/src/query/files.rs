//! The kept queries: those of the files and folders that were named, and those we ship.

use std::collections::BTreeSet;
use std::path::PathBuf;

use trailloop_content::queries;
use trailloop_query::named::{NamedQuery, load};
use trailloop_rules::{Diagnostic, Severity, text_of_file};

use crate::Exit;
use crate::rulefiles::read_path;

/// Queries that were read.
pub(crate) struct QueryFiles {
    /// Those without an error.
    pub(crate) queries: Vec<NamedQuery>,
    /// What was said of all.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl QueryFiles {
    /// Reads files and folders; without any, the shipped queries.
    pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut files = Self { queries: Vec::new(), diagnostics: Vec::new() };
        for path in paths {
            for file in read_path(path)? {
                match text_of_file(&file.name, &file.bytes) {
                    Ok(text) => files.add(&file.name, text),
                    Err(problem) => files.diagnostics.push(problem),
                }
            }
        }
        if paths.is_empty() {
            queries::files().into_iter().for_each(|(name, text)| files.add(name, text));
        }
        Ok(files)
    }

    /// The query of this id: of the files and folders that were named, and else of the shipped ones.
    pub(crate) fn find(
        paths: &[PathBuf],
        id: &str,
    ) -> anyhow::Result<Result<NamedQuery, Vec<Diagnostic>>> {
        let files = Self::with_shipped(paths)?;
        let found = files.queries.into_iter().find(|query| query.id == id);
        Ok(found.ok_or(files.diagnostics))
    }

    /// Those of the files and folders that were named, and the shipped ones after them; the first of an id counts.
    pub(crate) fn with_shipped(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut files = Self::read(paths)?;
        if !paths.is_empty() {
            let Self { queries, diagnostics } = Self::read(&[])?;
            files.queries.extend(queries);
            files.diagnostics.extend(diagnostics);
        }
        Ok(files)
    }

    fn add(&mut self, name: &str, text: &str) {
        let loaded = load(name, text);
        self.diagnostics.extend(loaded.diagnostics);
        self.queries.extend(loaded.query);
    }

    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|one| one.severity == Severity::Error).count()
    }

    /// How many files gave no query.
    pub(crate) fn rejected(&self) -> usize {
        let errors = self.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        errors.map(|one| &one.path).collect::<BTreeSet<_>>().len()
    }

    /// How a command ends that did all it could.
    pub(crate) fn exit(&self) -> Exit {
        if self.errors() == 0 { Exit::Done } else { Exit::Failed }
    }
}
