//! Any bytes as a DEFLATE stream: what comes of it is what zlib makes of it, in pieces of any size.
#![no_main]

use flate2::{Decompress, FlushDecompress, Status};
use libfuzzer_sys::fuzz_target;
use trailloop_inflate::{Inflater, OVERHANG, Progress};

/// No more than this is inflated: a stream of 4 KiB may hold a thousand times as much.
const TEXT_BYTES: usize = 1 << 20;

fuzz_target!(|stream: &[u8]| {
    let mut text = vec![0; TEXT_BYTES];
    let mut zlib = Decompress::new(false);
    let status = zlib.decompress(stream, &mut text, FlushDecompress::Finish);
    let length = usize::try_from(zlib.total_out()).expect("no more than there is room for");
    let is_whole = matches!(status, Ok(Status::StreamEnd));

    for piece_bytes in [TEXT_BYTES, 1 + stream.len() % 7] {
        let mut inflater = Inflater::new();
        let (mut ours, mut at) = (vec![0; TEXT_BYTES + OVERHANG], 0);
        let ended = loop {
            let room = ours.len().min(at + piece_bytes + OVERHANG);
            match inflater.inflate(stream, &mut ours[..room], &mut at) {
                Ok(Progress::More) if at < TEXT_BYTES => {}
                Ok(Progress::More) => return,
                Ok(Progress::End) => break true,
                Err(_) => break false,
            }
        };
        assert!(ours[..at] == text[..length], "{at} bytes, and {length} by zlib");
        assert_eq!(ended, is_whole);
        assert!(!ended || inflater.taken() as u64 == zlib.total_in());
    }
});
