//! Any text as a message body: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::notification::{Notification, parse};

fuzz_target!(|body: &str| {
    if let Ok(Notification::Objects(named)) = parse(body) {
        assert!(named.iter().all(|object| !object.bucket.is_empty() && !object.key.is_empty()));
    }
});
