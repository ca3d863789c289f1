//! The organization's accounts: what each is called, where it hangs and what it is for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::FixedState;
use sha2::{Digest as _, Sha256};

use crate::problem::{Problem, Problems, Reporter, code};
use crate::table::{Column, TABLE_BYTES_MAX, Table, decode, read};
use crate::text::{bounded, quoted};

const COLUMNS: [Column; 4] = [
    Column { names: &["account", "account_id"], is_key: true },
    Column { names: &["name"], is_key: false },
    Column { names: &["ou"], is_key: false },
    Column { names: &["environment"], is_key: false },
];

/// What the table says of one account. Texts are cut at 256 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: Option<Box<str>>,
    /// The organizational unit that it hangs in, in the operator's words.
    pub ou: Option<Box<str>>,
    /// What it is for, in the operator's words: production, test, sandbox.
    pub environment: Option<Box<str>>,
}

/// The account table.
#[derive(Debug)]
pub struct Accounts {
    accounts: HashMap<u64, Account, FixedState>,
    warnings: Vec<Problem>,
    digest: [u8; 32],
    pub(crate) has_name: bool,
    pub(crate) has_ou: bool,
    pub(crate) has_environment: bool,
}

impl Accounts {
    /// Reads a table, CSV or JSON. `path` names it in messages.
    ///
    /// # Errors
    ///
    /// All problems of the file, if one of them refuses it.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let text = decode(path, bytes, TABLE_BYTES_MAX)?;
        let mut reporter = Reporter::new(path, text);
        let table = read(&mut reporter, text, &COLUMNS);
        let accounts = collect(&mut reporter, text, &table);
        if accounts.is_empty() && reporter.is_good() {
            let message = "the table has no account, and is taken as none at all";
            reporter.warning(0, code::EMPTY_FILE, message, "write a row for each account");
        }
        let ((), warnings) = reporter.finish(())?;
        let has = |part: fn(&Account) -> bool| accounts.values().any(part);
        Ok(Self {
            has_name: has(|account| account.name.is_some()),
            has_ou: has(|account| account.ou.is_some()),
            has_environment: has(|account| account.environment.is_some()),
            accounts,
            warnings,
            digest: Sha256::digest(bytes).into(),
        })
    }

    /// The account of twelve digits, if the table has it.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Account> {
        self.accounts.get(&number(id)?)
    }

    /// Whether the table has the account of this number.
    pub(crate) fn holds(&self, number: u64) -> bool {
        self.accounts.contains_key(&number)
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// What deserves a second look.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// The number of an account's id, which has twelve digits; some begin with zeros.
pub(crate) fn number(id: &str) -> Option<u64> {
    let is_id = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| id.parse().ok()).flatten()
}

fn collect(
    reporter: &mut Reporter<'_>,
    text: &str,
    table: &Table,
) -> HashMap<u64, Account, FixedState> {
    let mut accounts = HashMap::default();
    let mut places: HashMap<u64, usize, FixedState> = HashMap::default();
    for row in &table.rows {
        let cell = |nth: usize| row.cells.get(nth).and_then(Option::as_deref);
        let fact = |nth: usize| cell(nth).map(|text| Box::from(bounded(text)));
        let id = cell(0).unwrap_or_default();
        let at = table.place(text, row, 0);
        let Some(id_number) = number(id) else {
            let message = format!("{} is no account id, which has twelve digits", quoted(id));
            reporter.error(at, code::BAD_ACCOUNT, message, help_for(id));
            continue;
        };
        match places.entry(id_number) {
            Entry::Occupied(earlier) => {
                let (line, column) = reporter.place(*earlier.get());
                let message = format!("account {id} stands already at {line}:{column}");
                reporter.error(at, code::DUPLICATE_KEY, message, "keep one of the two rows");
            }
            Entry::Vacant(place) => {
                place.insert(at);
                let account = Account { name: fact(1), ou: fact(2), environment: fact(3) };
                accounts.insert(id_number, account);
            }
        }
    }
    accounts
}

/// What to write instead of an id; spreadsheets take it for a number.
fn help_for(id: &str) -> String {
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && id.len() < 12 {
        format!("if a spreadsheet dropped its zeros, write {id:0>12}")
    } else if id.contains(['E', 'e']) && id.bytes().any(|byte| byte.is_ascii_digit()) {
        "a spreadsheet took it for a number: format the column as text and write all digits"
            .to_owned()
    } else {
        "write the twelve digits without hyphens or spaces".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::problem::Severity;

    fn problems(text: &str) -> String {
        match Accounts::parse("a", text.as_bytes()) {
            Ok(accounts) => {
                accounts.warnings().iter().map(|problem| format!("{problem}\n")).collect()
            }
            Err(problems) => format!("{problems}\n"),
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let sheet = "\u{feff}Account_ID,Name,OU,environment\r\n\
                     111122223333,\"Shop, live\",root/prod,production\r\n\r\n012345678901,,,\r\n";
        let json = r#" [{"account": "111122223333", "name": "Shop, live", "ou": "root/prod",
                         "environment": "production"}, {"account": "012345678901", "name": null}]"#;
        for text in [sheet, json] {
            let accounts = Accounts::parse("a", text.as_bytes()).unwrap();
            assert_eq!(accounts.len(), 2);
            assert!(accounts.warnings().is_empty() && !accounts.is_empty());
            let shop = accounts.get("111122223333").unwrap();
            assert_eq!(shop.name.as_deref(), Some("Shop, live"));
            assert_eq!(shop.ou.as_deref(), Some("root/prod"));
            assert_eq!(shop.environment.as_deref(), Some("production"));
            assert_eq!(accounts.get("012345678901"), Some(&Account::default()));
            assert_eq!(accounts.get("12345678901"), None);
            assert!(accounts.has_name && accounts.has_ou && accounts.has_environment);
        }
    }

    #[test]
    fn ids_are_twelve_digits_and_stand_once() {
        let text =
            "name,account\nx,111122223333\ny,1234\nz,1.11E+11\nw,1111-2222-3333\nv,111122223333\n";
        assert_eq!(
            problems(text),
            "a:3:3: error[bad-account]: `1234` is no account id, which has twelve digits; \
             help: if a spreadsheet dropped its zeros, write 000000001234\n\
             a:4:3: error[bad-account]: `1.11E+11` is no account id, which has twelve digits; \
             help: a spreadsheet took it for a number: format the column as text and write all digits\n\
             a:5:3: error[bad-account]: `1111-2222-3333` is no account id, which has twelve digits; \
             help: write the twelve digits without hyphens or spaces\n\
             a:6:3: error[duplicate-key]: account 111122223333 stands already at 2:3; \
             help: keep one of the two rows\n"
        );
    }

    #[test]
    fn a_number_in_json_is_an_id() {
        let accounts = Accounts::parse("a", b"[{\"account_id\": 111122223333}]").unwrap();
        assert!(accounts.get("111122223333").is_some() && !accounts.has_name);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(problems) = Accounts::parse("a", &bytes) {
                prop_assert!(problems.0.iter().any(|problem| problem.severity == Severity::Error));
            }
        }
    }
}
