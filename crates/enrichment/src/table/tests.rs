//! What is read of a table, and what is said of what is not.

use proptest::prelude::*;

use super::*;

const COLUMNS: [Column; 2] = [
    Column { names: &["account", "account_id"], is_key: true },
    Column { names: &["name"], is_key: false },
];

/// The rows as `account=name`, and after them the problems.
fn read_all(text: &str) -> Vec<String> {
    let mut reporter = Reporter::new("t", text);
    let table = read(&mut reporter, text, &COLUMNS);
    let cell = |row: &Row, nth: usize| row.cells[nth].clone().unwrap_or_default();
    let rows = table.rows.iter().map(|row| format!("{}={}", cell(row, 0), cell(row, 1)));
    let problems = reporter.into_problems().0;
    rows.chain(problems.iter().map(ToString::to_string)).collect()
}

#[test]
fn a_sheet_is_read_with_any_line_ends() {
    for text in [
        "account,name\n1,a\n2,b\n",
        "account,name\r\n1,a\r\n2,b",
        "\u{feff}account,name\n1,a\n\n2,b\n\n",
        "\r\n account , name \r\n 1 , a \r\n 2 , b ",
        "NAME,Account_Id\n\"a\",1\nb,\"2\"\n",
    ] {
        assert_eq!(read_all(text), ["1=a", "2=b"], "{text:?}");
    }
}

#[test]
fn an_array_is_read() {
    let text = "\u{feff}\n[{\"account\": 1, \"name\": \"a\"},\n {\"Name\": \"b\", \"account_id\": \"2\"}]\n";
    assert_eq!(read_all(text), ["1=a", "2=b"]);
    assert_eq!(read_all("[]"), [""; 0]);
    assert_eq!(read_all("[{\"account\": \"\\u0031\", \"name\": \" \"}]"), ["1="]);
}

#[test]
fn a_sheet_says_what_is_wrong() {
    for (text, expected) in [
        (
            "",
            "t: error[empty-file]: the file is empty; help: write a header, such as account,name, \
             and a row for each; or JSON: []",
        ),
        (
            "id;name\n1;a\n",
            "t:1:1: error[missing-column]: the header has no column `account` or `account_id`; \
             help: separate cells with commas",
        ),
        (
            "id,name\n1,a\n",
            "t:1:1: error[missing-column]: the header has no column `account` or `account_id`; \
             help: begin with a line such as account,name",
        ),
        (
            "account,name,account_id\n1,a,1\n",
            "t:1:14: error[duplicate-key]: the column `account_id` stands twice, as `account`; \
             help: keep one of them",
        ),
        (
            "account,name\n1,a,b\n",
            "t:2:1: error[bad-row]: the row has 3 cells, the header 2; \
             help: write a cell for each column; quote a cell that holds a comma",
        ),
        (
            "account,name\n1,\"a\n2,b\n",
            "t:2:3: error[bad-row]: a cell holds a line break; \
             help: shorten it; a quote may not be closed",
        ),
        (
            "account,name\n,a\n",
            "t:2:1: error[bad-row]: the row has no account; help: write one, or take the row out",
        ),
        ("account,name\n,\n", "t:2:1: warning[empty-row]: the row is empty; help: take it out"),
    ] {
        let said = read_all(text);
        let last = said.last().map(String::as_str);
        assert_eq!(last, Some(expected), "{text:?}");
    }
    let unknown = read_all("account,e-mail,x\u{1b}\n1,a,b\n");
    assert_eq!(unknown.len(), 2);
    assert_eq!(
        unknown[1],
        "t:1:1: warning[unknown-column]: columns `e-mail`, `x\\u{1b}` left out; \
         help: the columns that are read are account,name"
    );
}

#[test]
fn an_array_says_what_is_wrong() {
    for (text, expected) in [
        (
            "{\"Accounts\": []}",
            "t:1:1: error[wrong-type]: the JSON is an object, not an array of objects; \
             help: write [{…}, {…}]; of `aws organizations list-accounts` take \
             --query 'Accounts[].{account: Id, name: Name}'",
        ),
        (
            "[{\"account\": 1},\n  7]",
            "t:2:3: error[wrong-type]: row 2 is no object; help: write [{…}, {…}]",
        ),
        (
            "[{\"name\": \"],[{\"}, \n {\"account\": 1.5}]",
            "t:2:2: error[wrong-type]: `account` is neither a text nor a whole number; \
             help: write it in quotes",
        ),
        (
            "[{\"account\": 1, \"account_id\": 1}]",
            "t:1:2: error[duplicate-key]: `account` stands twice in one object; \
             help: keep one of them",
        ),
        (
            "[{\"account\": 1}\n",
            "t:2:1: error[bad-syntax]: not JSON: EOF while parsing a list; help: repair it there",
        ),
        (
            "[{\"account\": 1}] x",
            "t:1:18: error[bad-syntax]: not JSON: trailing characters; help: repair it there",
        ),
        ("[{}]", "t:1:2: warning[empty-row]: the row is empty; help: take it out"),
    ] {
        let said = read_all(text);
        assert_eq!(said.last().map(String::as_str), Some(expected), "{text:?}");
    }
}

#[test]
fn rows_and_bytes_are_bounded() {
    let rows = |count: usize| (0..count).map(|nth| format!("{nth},a\n")).collect::<String>();
    let table = format!("account,name\n{}", rows(TABLE_ROWS_MAX + 5));
    let said = read_all(&table);
    assert_eq!(said.len(), TABLE_ROWS_MAX + 1);
    assert!(
        said[TABLE_ROWS_MAX].contains("100002:1: error[too-large]"),
        "{}",
        said[TABLE_ROWS_MAX]
    );
    let array = format!("[{}{{}}]", "{\"account\":1},".repeat(TABLE_ROWS_MAX + 5));
    let said = read_all(&array);
    assert_eq!(said.len(), TABLE_ROWS_MAX + 1);
    assert!(said[TABLE_ROWS_MAX].contains("error[too-large]"));
    let problems = decode("t", b"abcd", 3).unwrap_err();
    assert_eq!(problems.0[0].code, code::TOO_LARGE);
    let long = format!("account,name\n1,{}\n", "x".repeat(5_000));
    assert!(read_all(&long)[0].starts_with("t:2:3: error[bad-row]: a cell has 5000 bytes"));
}

#[test]
fn other_encodings_are_refused() {
    let wide: Vec<u8> = "\u{feff}account".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(decode("t", &wide, 99).unwrap_err().to_string().contains("UTF-16"));
    assert_eq!(
        decode("t", b"account\nK\xf6ln", 99).unwrap_err().to_string(),
        "t:2:2: error[bad-encoding]: byte 0xf6 is not UTF-8; help: save the file as UTF-8"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "(account|name|[\\[\\]{},:;\" \\\\\r\n\u{feff}]|[0-9]|.){0,60}") {
        read_all(&text);
    }

    #[test]
    fn no_array_panics(text in "\\[(\\{\"account\":|[\\[\\]{},:\" ]|1|null|-1|1e9|true|\"ä\\\\n\"){0,30}\\]") {
        read_all(&text);
    }

    #[test]
    fn a_sheet_gives_back_what_was_written(
        cells in prop::collection::vec(("[0-9]{1,12}", "[a-z,\" ]{0,8}"), 0..20),
    ) {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let line = |(account, name): &(String, String)| format!("{account},{}\r\n", quote(name));
        let text = format!("account,name\r\n{}", cells.iter().map(line).collect::<String>());
        let expected: Vec<String> =
            cells.iter().map(|(account, name)| format!("{account}={}", name.trim())).collect();
        prop_assert_eq!(read_all(&text), expected);
    }
}
