//! Any bytes as a log object: what a glance tells of a record is what the parser tells, and passing records over changes
//! nothing but that they are not handed on.
#![no_main]

use std::collections::VecDeque;
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::{
    Glance, Inside, Keys, Kind, Limits, Reader, Record, Scratch, Sight, Value, Verdict, read_wanted,
};

const WANTED: [&str; 5] = ["eventName", "eventSource", "userIdentity", "arn", "x"];

/// What was told of the members of an object that are wanted: a member's path, and its text if it is one.
type Told = Vec<(String, Option<String>)>;

/// Glances at every record, and compares when it is parsed.
struct Comparing {
    told: VecDeque<(Vec<u8>, Option<Told>)>,
    taken: u64,
}

fn told(object: Inside<'_>, above: &str, all: &mut Told) -> ControlFlow<()> {
    object.members(&Keys::new(WANTED), |number, value| {
        let path = format!("{above}.{}", WANTED[number]);
        match value {
            Sight::Object(object) => told(object, &path, all)?,
            Sight::Text(text) => all.push((path, Some(String::from_utf8_lossy(text).into_owned()))),
            _ => all.push((path, None)),
        }
        ControlFlow::Continue(())
    })
}

fn parsed(value: &Value<'_>, above: &str, all: &mut Told) {
    let Kind::Object(members) = value.kind() else { return };
    for (key, value) in members.filter(|(key, _)| WANTED.contains(key)) {
        let path = format!("{above}.{key}");
        match value.kind() {
            Kind::Object(_) => parsed(&value, &path, all),
            Kind::String(text) => all.push((path, Some(text.to_owned()))),
            _ => all.push((path, None)),
        }
    }
}

impl Reader for Comparing {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        let mut all = Told::new();
        let flow = told(glance.inside(), "", &mut all);
        self.told.push_back((glance.raw().to_vec(), flow.is_continue().then_some(all)));
        Verdict::Parse
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        self.taken += 1;
        // Records that the parser refused, and those that no glance could tell of, have no partner.
        if let Some(nth) = self.told.iter().position(|(raw, _)| raw == record.raw()) {
            self.told.drain(..nth);
            if let Some((_, Some(told))) = self.told.pop_front() {
                let mut all = Told::new();
                parsed(&record.root(), "", &mut all);
                assert_eq!(told, all, "{}", String::from_utf8_lossy(record.raw()));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Wants no record that it is asked about.
struct Indifferent(u64);

impl Reader for Indifferent {
    fn verdict(&mut self, _glance: &Glance<'_>) -> Verdict {
        Verdict::PassOver
    }

    fn take(&mut self, _record: Record<'_>) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

fuzz_target!(|object: &[u8]| {
    let limits = Limits { raw_bytes_max: 1 << 20, ..Limits::default() };
    let mut scratch = Scratch::new();
    let mut comparing = Comparing { told: VecDeque::new(), taken: 0 };
    let every = read_wanted(object, &limits, &mut scratch, &mut comparing);
    assert_eq!(every.records, comparing.taken);

    let mut indifferent = Indifferent(0);
    let passed = read_wanted(object, &limits, &mut scratch, &mut indifferent);
    assert_eq!(passed.records, passed.passed_over + indifferent.0);
    assert_eq!(every.records + every.records_failed, passed.records + passed.records_failed);
    assert!(every.records <= passed.records, "a record that is valid is passed over or handed on");
    assert_eq!(every.failed, passed.failed);
});
