//! Each stage of an object's examination: gunzip, split and parse, all together. Matching alone is measured in `rules`.
//!
//!     cargo bench --bench stages

use std::hint::black_box;
use std::io::Read as _;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::MultiGzDecoder;
use trailloop_benches::{corpus, synthetic_rules};
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_finding::Place;
use trailloop_pipeline::examine::{Engine, RecordFilter, Worker};
use trailloop_pipeline::live::LiveRules;

const PLACE: Place<'static> = Place { source: "bucket/key", version: None };

fn stages(criterion: &mut Criterion) {
    let object = corpus(1, 8000).remove(0).bytes;
    let mut text = Vec::new();
    MultiGzDecoder::new(&*object).read_to_end(&mut text).expect("the corpus is gzip");
    let limits = Limits::default();

    let mut group = criterion.benchmark_group("object of 8000 records");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("gunzip alone (flate2)", |bencher| {
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            MultiGzDecoder::new(&*object).read_to_end(&mut out).expect("the corpus is gzip")
        });
    });
    group.bench_function("split and parse", |bencher| {
        let mut scratch = Scratch::new();
        bencher.iter(|| {
            read_records(&text, &limits, &mut scratch, |record| {
                black_box(record.index());
            })
        });
    });
    for count in [0, 50, 800] {
        let engine = Engine {
            rules: LiveRules::new(synthetic_rules(count)),
            limits,
            filter: RecordFilter::default(),
        };
        group.bench_function(format!("gunzip, parse and match {count} rules"), |bencher| {
            let mut worker = Worker::default();
            let take = |finding| {
                black_box(finding);
                ControlFlow::Continue(())
            };
            bencher.iter(|| worker.examine(&engine, &object, PLACE, take).records_evaluated);
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
