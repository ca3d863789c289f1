//! Two questions over large objects, beside other engines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use trailloop_benches::corpus::{Corpus, files};
use trailloop_benches::python::python;
use trailloop_cloudtrail::{Limits, Scratch, read_records};

use crate::Arguments;
use crate::engines::{Contender, Outcome, Question};

/// Records of an object.
const RECORDS: u32 = 8000;

/// The needle is the rarest key of a user that occurs this often.
const EVENTS_MIN: u64 = 20;

/// The bound of memory that is tried, in megabytes.
const MEMORY_MB: usize = 64;

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
pub(crate) fn measure(arguments: &Arguments) {
    let corpus = Corpus::synthetic(arguments.folder.join("large"), arguments.objects, RECORDS);
    let (key, events) = needle(&corpus.folder);
    println!("\n{}; best of {} rounds", corpus.describe(), arguments.rounds);
    corpus.warm();
    for question in [Question::Count, Question::Needle] {
        let mut contenders = contenders(arguments);
        for _ in 0..arguments.rounds {
            for one in &mut contenders {
                one.run(question, &key, &corpus.folder);
            }
        }
        let wanted = match question {
            Question::Count => corpus.records,
            Question::Needle => events,
        };
        println!("\n## {}\n", question.sql().replace(":key", &format!("'{key}'")));
        print(&contenders, &corpus, wanted);
    }
}

fn contenders(arguments: &Arguments) -> Vec<Contender> {
    let others = python(&arguments.folder);
    let mut contenders = Vec::new();
    for threads in [1, 2] {
        contenders.push(Contender::ours(threads, 0));
        contenders.push(Contender::ours(threads, MEMORY_MB));
        contenders.extend(others.iter().flat_map(|python| Contender::others(python, threads)));
    }
    if let Err(why) = others {
        trailloop_benches::corpus::say(&format!("DuckDB and chdb are skipped: {why}"));
    }
    contenders.retain(|one| one.name.contains(&arguments.only));
    contenders
}

/// The key that is asked for, and how many records are its.
fn needle(folder: &Path) -> (String, u64) {
    let mut events: BTreeMap<String, u64> = BTreeMap::new();
    let mut scratch = Scratch::new();
    for path in files(folder) {
        let object = fs::read(path).expect("read the corpus");
        let read = read_records(&object, &Limits::default(), &mut scratch, |record| {
            let key = record.text(&["userIdentity", "accessKeyId"]);
            if let Some(key) = key.filter(|key| key.starts_with("AKIA")) {
                *events.entry(key.to_owned()).or_default() += 1;
            }
        });
        assert!(read.is_whole());
    }
    let often = events.into_iter().filter(|(_, events)| *events >= EVENTS_MIN);
    often.min_by_key(|(_, events)| *events).expect("a key that is used often")
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn print(contenders: &[Contender], corpus: &Corpus, wanted: u64) {
    println!(
        "| What | Threads | s | MB/s of JSON | CPU, s | Ours is faster | CPU to ours | Peak, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let rows = contenders.iter().find_map(|one| Some(one.best.as_ref().ok()?.rows));
    for Contender { name, threads, best, .. } in contenders {
        let best = match best {
            Ok(best) => best,
            Err(why) => {
                println!("| {name} | {threads} | skipped: {why} | | | | | |");
                continue;
            }
        };
        assert_eq!((best.records, Some(best.rows)), (wanted, rows), "{name} answers otherwise");
        let is_ours = |one: &&Contender| one.is_ours() && one.threads == *threads;
        let ours = contenders.iter().find(is_ours).and_then(|one| one.best.as_ref().ok());
        let to = |of: fn(&Outcome) -> f64| {
            ours.map_or(String::new(), |ours| format!("{:.2}", of(best) / of(ours)))
        };
        let seconds = best.took.as_secs_f64();
        println!(
            "| {name} | {threads} | {seconds:.3} | {:.0} | {:.2} | {} | {} | {} |",
            corpus.bytes_raw as f64 / 1e6 / seconds,
            best.cpu.as_secs_f64(),
            to(|of| of.took.as_secs_f64()),
            to(|of| of.cpu.as_secs_f64()),
            best.peak_bytes / 1_000_000
        );
    }
}
