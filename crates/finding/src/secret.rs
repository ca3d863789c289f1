//! Which names are those of secrets: the tables of redaction.
//!
//! Every text of every record that becomes a finding is looked up here, so most are turned away by a look at their
//! last letters.

use std::ops::Range;

/// A name is that of a secret if it ends in one of these, in lower case and without anything but letters and digits.
const SECRET_ENDINGS: [&str; 24] = [
    "accesstoken",
    "amzsignature",
    "apikey",
    "authorization",
    "authorizationtoken",
    "authtoken",
    "credential",
    "idtoken",
    "keymaterial",
    "passphrase",
    "passwd",
    "password",
    "plaintext",
    "privatekey",
    "refreshtoken",
    "samlassertion",
    "secret",
    "secretaccesskey",
    "secretbinary",
    "secretkey",
    "secretstring",
    "securitytoken",
    "sessiontoken",
    "webidentitytoken",
];

/// Whole names, in the same spelling, that matter in some places, or that end like a secret's and are none: a service-specific
/// credential is described by members of their own names, of which some are secrets.
const NAMES: [(&str, Name); 11] = [
    ("accesskeyid", Name::AccessKeyId),
    ("credentials", Name::Credentials),
    ("expiration", Name::Expiration),
    ("key", Name::OfPair),
    ("name", Name::OfPair),
    ("parameterkey", Name::OfPair),
    ("parametername", Name::OfPair),
    ("parametervalue", Name::ValueOfPair),
    ("responseelements", Name::ResponseElements),
    ("servicespecificcredential", Name::Other),
    ("value", Name::ValueOfPair),
];

/// Names of those who call, in the same spelling.
const CALLERS: [&str; 7] =
    ["arn", "email", "loginname", "principal", "principalid", "useremail", "username"];

/// What a name says of the value it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// It is a secret.
    Secret,
    /// It is the name in a pair of name and value.
    OfPair,
    /// It is the value in such a pair.
    ValueOfPair,
    /// `responseElements`, where new credentials are.
    ResponseElements,
    /// `credentials`.
    Credentials,
    /// `accessKeyId`.
    AccessKeyId,
    /// `expiration`.
    Expiration,
    /// Nothing.
    Other,
}

impl Name {
    /// What this name says.
    pub(crate) fn of(name: &[u8]) -> Self {
        Self::of_spelled(Spelled::new(name).letters())
    }

    /// The same, mostly by a look at its end.
    #[inline]
    pub(crate) fn of_text(name: &str) -> Self {
        Self::in_text(name.as_bytes(), 0..name.len())
    }

    /// The same of a name in a text.
    #[inline]
    pub(crate) fn in_text(text: &[u8], name: Range<usize>) -> Self {
        match TAILS.may_end(&text[name.clone()]) {
            false => Self::Other,
            true => Self::by_end(text, name),
        }
    }

    /// The same by a closer look.
    #[inline(never)]
    fn by_end(text: &[u8], name: Range<usize>) -> Self {
        let last = match text[..name.end].last_chunk() {
            Some(last) => u64::from_be_bytes(*last),
            None => text[..name.end].iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        let in_name = !(u64::MAX << (8 * name.len().min(END_LETTERS)));
        let end = last & in_name;
        match ENDS.get((end | LOWER_CASE) & in_name) {
            None if letters_and_digits(end) == HIGH & in_name => Self::Other,
            Some(End { says: Some(says), .. }) => *says,
            _ => match &text[name] {
                // These stand in nearly every record.
                b"accessKeyId" => Self::AccessKeyId,
                b"responseElements" => Self::ResponseElements,
                b"userName" => Self::Other,
                name => Self::of(name),
            },
        }
    }

    /// What a name says in the spelling of the tables.
    #[inline(never)]
    fn of_spelled(name: &[u8]) -> Self {
        if ENDS.get(end_of(name)).is_none() {
            return Self::Other;
        }
        // A whole name says more than its end.
        match NAMES.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((_, known)) => *known,
            None if SECRET_ENDINGS.iter().any(|end| name.ends_with(end.as_bytes())) => Self::Secret,
            None => Self::Other,
        }
    }
}

/// Whether a name is that of someone who calls: in the record of a failed sign-in it may be a mistyped password.
pub(crate) fn is_of_caller(name: &[u8]) -> bool {
    let name = Spelled::new(name);
    CALLERS.iter().any(|caller| caller.as_bytes() == name.letters())
}

/// A name as the tables spell it, or the end of one that is longer than any entry.
struct Spelled {
    letters: [u8; 32],
    start: usize,
}

impl Spelled {
    fn new(name: &[u8]) -> Self {
        let mut letters = [0; 32];
        let mut start = letters.len();
        for byte in name.iter().rev().filter(|byte| byte.is_ascii_alphanumeric()) {
            let Some(next) = start.checked_sub(1) else { break };
            start = next;
            letters[start] = byte.to_ascii_lowercase();
        }
        Self { letters, start }
    }

    fn letters(&self) -> &[u8] {
        &self.letters[self.start..]
    }
}

/// How many entries both tables have.
const ENTRIES: usize = SECRET_ENDINGS.len() + NAMES.len();

const fn entry(nth: usize) -> (&'static str, Name) {
    match nth.checked_sub(SECRET_ENDINGS.len()) {
        None => (SECRET_ENDINGS[nth], Name::Secret),
        Some(nth) => NAMES[nth],
    }
}

/// By so many of their last letters most names are told from all entries of the tables.
const END_LETTERS: usize = 6;

/// The last letters of a name as a number.
const fn end_of(name: &[u8]) -> u64 {
    let mut letters = 0;
    let mut at = name.len().saturating_sub(END_LETTERS);
    while at < name.len() {
        letters = letters << 8 | name[at] as u64;
        at += 1;
    }
    letters
}

/// By so many letters nearly all names are told from all entries.
const TAIL: usize = 3;

/// How the entries end: a set of their last three letters, without case.
static TAILS: Tails = Tails::of_entries();

struct Tails {
    /// Which letter each byte is, counted from 1, or [`DIGIT`] or [`NO_LETTER`].
    letters: [u8; 256],
    /// A bit for each three last letters with which a name may end as an entry does. Where one of them is none, what stands before
    /// it is not known.
    ends: [u64; 1 << (TAIL * LETTER_BITS - 6)],
}

const LETTER_BITS: usize = 5;

/// What may stand between letters.
const NO_LETTER: u8 = 0;

/// Digits, of which no entry has any.
const DIGIT: u8 = 27;

impl Tails {
    const fn of_entries() -> Self {
        let mut tails = Self { letters: [NO_LETTER; 256], ends: [0; _] };
        let mut byte = 0;
        while byte < 256 {
            tails.letters[byte] = match byte as u8 {
                letter @ b'a'..=b'z' => letter - b'a' + 1,
                letter @ b'A'..=b'Z' => letter - b'A' + 1,
                b'0'..=b'9' => DIGIT,
                _ => NO_LETTER,
            };
            byte += 1;
        }
        let mut nth = 0;
        while nth < ENTRIES {
            let (entry, _) = entry(nth);
            tails = tails.with(entry.as_bytes());
            nth += 1;
        }
        tails
    }

    const fn with(mut self, entry: &[u8]) -> Self {
        let [.., third, second, last] = entry else { panic!("no entry is shorter") };
        let third = self.letters[*third as usize];
        let second = self.letters[*second as usize];
        let last = self.letters[*last as usize];
        self = self.with_end([third, second, last]).with_end([NO_LETTER, second, last]);
        let mut any = 0;
        while any < 1 << LETTER_BITS {
            self = self.with_end([any, NO_LETTER, last]);
            let mut other = 0;
            while other < 1 << LETTER_BITS {
                self = self.with_end([any, other, NO_LETTER]);
                other += 1;
            }
            any += 1;
        }
        self
    }

    const fn with_end(mut self, letters: [u8; TAIL]) -> Self {
        let end = Self::end(letters);
        self.ends[end / 64] |= 1 << (end % 64);
        self
    }

    #[inline]
    const fn end([third, second, last]: [u8; TAIL]) -> usize {
        (last as usize) << (2 * LETTER_BITS) | (second as usize) << LETTER_BITS | third as usize
    }

    /// Whether a name may end as an entry does.
    #[inline]
    fn may_end(&self, name: &[u8]) -> bool {
        // No entry is shorter.
        let Some(tail) = name.last_chunk::<TAIL>() else { return false };
        let end = Self::end(tail.map(|byte| self.letters[usize::from(byte)]));
        self.ends[end / 64] >> (end % 64) & 1 != 0
    }
}

/// How the names end that say something: a set in which no two ends meet in one slot.
struct Ends {
    factor: u64,
    slots: [End; 1 << Ends::BITS],
}

#[derive(Clone, Copy)]
struct End {
    letters: u64,
    /// What every name says that ends so, if no entry of the tables has more letters.
    says: Option<Name>,
}

static ENDS: Ends = {
    let mut factor = u64::MAX / 3;
    loop {
        if let Some(ends) = Ends::by(factor) {
            break ends;
        }
        factor = factor.wrapping_mul(5);
    }
};

impl Ends {
    const BITS: u32 = 7;

    #[inline]
    fn get(&self, letters: u64) -> Option<&End> {
        let end = &self.slots[Self::slot(self.factor, letters)];
        (end.letters == letters).then_some(end)
    }

    const fn slot(factor: u64, letters: u64) -> usize {
        (letters.wrapping_mul(factor) >> (u64::BITS - Self::BITS)) as usize
    }

    /// All ends; none if two of them meet by this factor.
    const fn by(factor: u64) -> Option<Self> {
        let mut slots = [End { letters: 0, says: None }; 1 << Self::BITS];
        let mut nth = 0;
        while nth < ENTRIES {
            let (entry, name) = entry(nth);
            let letters = end_of(entry.as_bytes());
            let slot = &mut slots[Self::slot(factor, letters)];
            if slot.letters != 0 && slot.letters != letters {
                return None;
            }
            let says = if entry.len() <= END_LETTERS { Some(name) } else { None };
            *slot = End { letters, says };
            nth += 1;
        }
        Some(Self { factor, slots })
    }
}

/// A one in each byte of a word, and the bits of each that matter here.
const EACH: u64 = u64::MAX / 0xff;
const HIGH: u64 = EACH << 7;
const LOWER_CASE: u64 = EACH << 5;

/// The high bit of each byte that is a letter or a digit.
#[inline]
fn letters_and_digits(word: u64) -> u64 {
    let from = |word: u64, first: u8| (word & !HIGH) + EACH * u64::from(0x80 - first);
    let lower = word | LOWER_CASE;
    let letters = from(lower, b'a') & !from(lower, b'z' + 1);
    let digits = from(word, b'0') & !from(word, b'9' + 1);
    (letters | digits) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_letters_and_digits_alone() {
        for name in
            ["password", "DB_PASSWORD", "x.pass-word", "pässword__", "secret", "a_p_i_k_e_y"]
        {
            let expected = if name == "pässword__" { Name::Other } else { Name::Secret };
            assert_eq!(Name::of(name.as_bytes()), expected, "{name}");
        }
        for name in ["", "d", "rd", "passwords", "password1", "nextToken", "secretId", "é", "__"] {
            assert_eq!(Name::of(name.as_bytes()), Name::Other, "{name}");
        }
        assert_eq!(Name::of(b"-Key-"), Name::OfPair);
        for name in ["accessKeyId", "responseElements", "userName"] {
            assert_eq!(Name::in_text(name.as_bytes(), 0..name.len()), slowly(name), "{name}");
        }
        assert!(is_of_caller(b"User_Name") && !is_of_caller(b"roleName"));
    }

    /// What a name says by the tables alone.
    fn slowly(name: &str) -> Name {
        let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
        let plain: String = letters.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
        let known = NAMES.iter().find(|(known, _)| *known == plain).map(|(_, name)| *name);
        let is_secret = SECRET_ENDINGS.iter().any(|ending| plain.ends_with(ending));
        known.unwrap_or(if is_secret { Name::Secret } else { Name::Other })
    }

    #[test]
    fn no_entry_hides_behind_what_stands_between_its_last_letters() {
        for (entry, _) in (0..ENTRIES).map(entry) {
            for name in [entry.to_owned(), entry.to_uppercase(), format!("a{entry}")] {
                for at in name.len() - TAIL..=name.len() {
                    for between in ["", "-", "_", " ", ".", "é", "--", "1", "x"] {
                        let name = format!("{}{between}{}", &name[..at], &name[at..]);
                        assert_eq!(Name::of_text(&name), slowly(&name), "{name}");
                    }
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_is_turned_away_too_early(
            before in "[a-zA-Z0-9_é]{0,40}",
            entry in proptest::sample::select(
                SECRET_ENDINGS.into_iter().chain(NAMES.map(|(name, _)| name)).collect::<Vec<_>>(),
            ),
            cut in 0..4_usize,
            between in "[-_ .é]{0,3}",
            at in 0..20_usize,
            after in "[-_ é]{0,3}[a-z]{0,1}",
            around in "[a-z\"]{0,9}",
        ) {
            let mut name = entry[cut.min(entry.len())..].to_owned();
            name.insert_str(at.min(name.len()), &between);
            for name in [format!("{before}{name}{after}"), format!("{name}{after}"), name.to_uppercase()] {
                proptest::prop_assert_eq!(Name::of(name.as_bytes()), slowly(&name), "{}", name);
                let text = format!("{around}{name}{around}");
                let range = around.len()..around.len() + name.len();
                let said = Name::in_text(text.as_bytes(), range);
                proptest::prop_assert_eq!(said, slowly(&name), "{}", name);
            }
        }
    }
}
