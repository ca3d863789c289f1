//! Records to measure with: the logs of a synthetic organization, and real ones where they lie beside the repository.

use std::fs;
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use trailloop::synth::{Organization, SynthArgs, SynthObject};
use trailloop_cloudtrail::{Limits, Scratch, read_records};

/// Log objects of a quiet organization.
#[must_use]
pub fn corpus(objects: u32, records: u32) -> Vec<SynthObject> {
    let organization = Organization::new(&SynthArgs {
        out: "unused".into(),
        seed: 1,
        objects,
        records,
        accounts: 36,
        start: jiff::civil::date(2026, 11, 2),
    });
    (0..objects).map(|nth| organization.object(nth)).collect()
}

/// Records by themselves.
pub struct Records {
    /// What they are.
    pub name: String,
    /// The JSON of each.
    pub each: Vec<Vec<u8>>,
}

impl Records {
    /// Records of a quiet organization.
    #[must_use]
    pub fn synthetic(count: u32) -> Self {
        let object = corpus(1, count).remove(0).bytes;
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut MultiGzDecoder::new(&*object), &mut text)
            .expect("the corpus is gzip");
        let each = split(&text);
        Self { name: format!("{} synthetic records", each.len()), each }
    }

    /// Real records of attacks being carried out, repeated until there are `count`, without white space as CloudTrail
    /// writes them; `None` if they are not there.
    #[must_use]
    pub fn real(count: usize) -> Option<Self> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(shared("stratus")).ok()?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let mut distinct = Vec::new();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
            for record in split(&fs::read(path).ok()?) {
                let value: serde_json::Value =
                    serde_json::from_slice(&record).expect("read_records parsed it");
                distinct.push(value.to_string().into_bytes());
            }
        }
        let name = format!("{count} real records ({}, repeated)", distinct.len());
        let each: Vec<Vec<u8>> = distinct.iter().cycle().take(count).cloned().collect();
        (!each.is_empty()).then_some(Self { name, each })
    }
}

/// The plain text of a log object that holds records.
#[must_use]
pub fn object(each: &[Vec<u8>]) -> Vec<u8> {
    [b"{\"Records\":[".as_slice(), &each.join(&b','), b"]}"].concat()
}

/// Where data that is not of this project lies, if it does: beside the repository.
#[must_use]
pub fn shared(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name)
}

/// The JSON of each record of a log object.
fn split(object: &[u8]) -> Vec<Vec<u8>> {
    let mut each = Vec::new();
    let summary = read_records(object, &Limits::default(), &mut Scratch::new(), |record| {
        each.push(record.raw().to_vec());
    });
    assert!(summary.is_whole(), "{:?}", summary.reports);
    each
}
