//! `trailloop org sync`: the organization's accounts as a table that enrichment reads.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;
use trailloop_cloud::{AwsOptions, MemberAccount, connect};

use crate::Exit;
use crate::cli::{OrgArgs, OrgCommand, OrgSyncArgs};

/// Runs the command.
pub(crate) fn org(arguments: &OrgArgs) -> anyhow::Result<Exit> {
    match &arguments.command {
        OrgCommand::Sync(arguments) => sync(arguments),
    }
}

fn sync(arguments: &OrgSyncArgs) -> anyhow::Result<Exit> {
    let accounts = crate::runtime()?.block_on(async {
        let endpoint_url = arguments.endpoint_url.clone();
        let aws = connect(AwsOptions { endpoint_url, ..AwsOptions::default() }).await;
        aws.organization().accounts(arguments.environment_tag.as_deref()).await
    });
    let accounts = accounts.context(
        "read the organization; run this in the management account or a delegated administrator, with the rights that README.md lists",
    )?;
    let table = table(&accounts).context("write the table")?;
    if arguments.output == "-" {
        std::io::stdout().write_all(&table).context("write the table")?;
        return Ok(Exit::Done);
    }
    replace(Path::new(&arguments.output), &table)
        .with_context(|| format!("write {}", arguments.output))?;
    Ok(Exit::Done)
}

/// The table as CSV, with the columns that enrichment reads.
fn table(accounts: &[MemberAccount]) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["account", "name", "ou", "environment"])?;
    for account in accounts {
        let tag = account.tag.as_deref().unwrap_or_default();
        table.write_record([&account.id, &account.name, &account.unit, tag])?;
    }
    Ok(table.into_inner()?)
}

/// Replaces a file whole: a service that reloads it must not read half of it.
fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(folder)?;
    // Temporary files are for their owner alone; a service of another user reads this one.
    let mode = fs::metadata(path).map_or(0o644, |metadata| metadata.permissions().mode());
    file.as_file().set_permissions(Permissions::from_mode(mode & 0o777))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use trailloop_enrichment::Accounts;

    use super::*;

    #[test]
    fn the_file_is_replaced_whole_and_others_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.csv");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        replace(&path, b"one").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"one".to_vec(), 0o644));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"two".to_vec(), 0o640));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_table_is_what_enrichment_reads() {
        let account = |id: &str, name: &str, unit: &str, tag: Option<&str>| MemberAccount {
            id: id.to_owned(),
            name: name.to_owned(),
            unit: unit.to_owned(),
            tag: tag.map(str::to_owned),
        };
        let table = table(&[
            account("000011112222", "payments, \"live\"", "workloads/prod", Some("production")),
            account("111122223333", "sandbox\n", "", None),
        ]);
        let accounts = Accounts::parse("accounts.csv", &table.unwrap()).unwrap();
        let row = accounts.get("000011112222").unwrap();
        assert_eq!(row.name.as_deref(), Some("payments, \"live\""));
        assert_eq!(row.ou.as_deref(), Some("workloads/prod"));
        assert_eq!(row.environment.as_deref(), Some("production"));
        assert_eq!(accounts.get("111122223333").unwrap().environment, None);
    }
}
