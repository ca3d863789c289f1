//! Streams of every kind, whole and damaged, held to what zlib makes of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use proptest::prelude::*;
use trailloop_inflate::{Damage, Inflater, OVERHANG, Progress};

/// What a stream comes to: its text as far as it can be had, and how many bytes it takes.
type Outcome = (Vec<u8>, Result<usize, Damage>);

const WINDOW_BYTES: usize = 32 << 10;

/// Inflates in pieces of so many bytes, and keeps of the text no more than a match can reach.
fn inflated(inflater: &mut Inflater, stream: &[u8], piece_bytes: usize) -> Outcome {
    let (mut text, mut kept, mut at) = (Vec::new(), Vec::new(), 0);
    inflater.reset();
    loop {
        if at > WINDOW_BYTES {
            kept.copy_within(at - WINDOW_BYTES..at, 0);
            at = WINDOW_BYTES;
        }
        let from = at;
        kept.resize(at + piece_bytes + OVERHANG, 0xee);
        let progress = inflater.inflate(stream, &mut kept, &mut at);
        text.extend_from_slice(&kept[from..at]);
        match progress {
            Ok(Progress::More) => assert!(at >= from + piece_bytes, "a piece is full"),
            Ok(Progress::End) => return (text, Ok(inflater.taken())),
            Err(damage) => return (text, Err(damage)),
        }
    }
}

/// The same by zlib's code.
fn by_zlib(stream: &[u8]) -> (Vec<u8>, Option<usize>) {
    let (mut zlib, mut text) = (Decompress::new(false), Vec::new());
    loop {
        let from = usize::try_from(zlib.total_out()).unwrap();
        let taken = usize::try_from(zlib.total_in()).unwrap();
        text.resize(from + (64 << 10), 0);
        let status = zlib.decompress(&stream[taken..], &mut text[from..], FlushDecompress::None);
        let at = usize::try_from(zlib.total_out()).unwrap();
        let now_taken = usize::try_from(zlib.total_in()).unwrap();
        let is_stuck = at == from && now_taken == taken;
        match status {
            Ok(Status::StreamEnd) => {
                text.truncate(at);
                return (text, Some(now_taken));
            }
            Ok(_) if !is_stuck => {}
            _ => {
                text.truncate(at);
                return (text, None);
            }
        }
    }
}

/// Holds a stream, whatever it is, to zlib's reading, in pieces of several sizes.
fn hold(stream: &[u8]) {
    let (text, taken) = by_zlib(stream);
    let mut inflater = Inflater::new();
    for piece_bytes in [1, 100, 1 << 20] {
        let (ours, result) = inflated(&mut inflater, stream, piece_bytes);
        assert_eq!(result.ok(), taken, "how it ends");
        assert!(ours == text, "{} bytes of text, and {} by zlib", ours.len(), text.len());
    }
}

fn deflate(text: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    // Blocks of several kinds and lengths, also empty ones.
    let (front, back) = text.split_at(text.len() / 3);
    encoder.write_all(front).unwrap();
    encoder.flush().unwrap();
    encoder.write_all(back).unwrap();
    encoder.finish().unwrap()
}

/// Text like that of logs: names that repeat near and far, digits at random, runs of one byte.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => "[a-f0-9]{1,40}".prop_map(String::into_bytes),
        4 => "\"[a-z]{1,6}\":\"us-east-1\",".prop_map(String::into_bytes),
        1 => (any::<u8>(), 1..700_usize).prop_map(|(byte, times)| vec![byte; times]),
        1 => (prop::collection::vec(any::<u8>(), 1..40), 1..40_usize)
            .prop_map(|(bytes, times)| bytes.repeat(times)),
    ];
    let words = prop::collection::vec((word, 1..3_usize), 0..60);
    (words, 1..20_usize).prop_map(|(words, times)| {
        let once: Vec<u8> = words.iter().flat_map(|(word, times)| word.repeat(*times)).collect();
        once.repeat(times)
    })
}

proptest! {
    #[test]
    fn what_zlib_deflates_is_inflated_again(
        text in text(),
        level in 0..=9_u32,
        piece_bytes in 1..3000_usize,
        after: Vec<u8>,
    ) {
        let stream = deflate(&text, level);
        let taken = stream.len();
        let outcome = inflated(&mut Inflater::new(), &[stream, after].concat(), piece_bytes);
        prop_assert!(outcome == (text, Ok(taken)), "{:?}", outcome.1);
    }

    #[test]
    fn a_stream_with_a_changed_bit_is_what_zlib_makes_of_it(
        text in text(),
        level in 0..=9_u32,
        places in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut stream = deflate(&text, level);
        for place in places {
            let bit = place.index(stream.len() * 8);
            stream[bit / 8] ^= 1 << (bit % 8);
        }
        hold(&stream);
    }

    #[test]
    fn any_bytes_are_what_zlib_makes_of_them(mut stream: Vec<u8>, kind in 0..4_u8) {
        if let Some(first) = stream.first_mut() {
            *first = *first & !6 | kind << 1;
        }
        hold(&stream);
    }
}

/// Numbers without a pattern, by a generator of the kind that Marsaglia describes.
fn numbers() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1_u32), |state| {
        let mut state = *state;
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Some(state)
    })
}

#[test]
fn codes_of_every_length_are_read() {
    // Each byte half as often as the one before it, so that the codes are of all lengths, up to the longest.
    let bytes = numbers().map(|number| number.trailing_ones().to_le_bytes()[0]);
    let text: Vec<u8> = bytes.take(200_000).collect();
    for level in [1, 6, 9] {
        let stream = deflate(&text, level);
        let outcome = inflated(&mut Inflater::new(), &stream, 5000);
        assert!(outcome == (text.clone(), Ok(stream.len())), "level {level}");
        for cut in (1..stream.len()).step_by(stream.len() / 50) {
            hold(&stream[..cut]);
        }
    }
}

#[test]
fn a_match_reaches_as_far_as_a_window_goes() {
    let block: Vec<u8> = numbers().map(|number| number.to_le_bytes()[0]).take(32_000).collect();
    let text = block.repeat(5);
    let stream = deflate(&text, 9);
    assert!(stream.len() < 2 * block.len(), "the repeats are matches");
    for piece_bytes in [1000, 40_000, 1 << 20] {
        let outcome = inflated(&mut Inflater::new(), &stream, piece_bytes);
        assert!(outcome == (text.clone(), Ok(stream.len())), "pieces of {piece_bytes} bytes");
    }
}

#[test]
fn a_cut_stream_gives_every_symbol_that_is_there_and_no_other() {
    let text = br#"{"eventName":"AssumeRole","id":"6f0ad9c2-81b7"},{"eventName":"AssumeRole","id":"b7c0-fa6d"}"#;
    for level in [0, 1, 6] {
        let stream = deflate(text, level);
        let mut inflater = Inflater::new();
        for length in 0..stream.len() {
            let (ours, result) = inflated(&mut inflater, &stream[..length], 7);
            assert_eq!(result, Err(Damage::Truncated), "level {level}, cut at {length}");
            assert_eq!(ours, by_zlib(&stream[..length]).0, "level {level}, cut at {length}");
        }
    }
}

/// Bits as they are written in a stream.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl BitWriter {
    /// A number, from its lowest bit on.
    fn number(&mut self, value: u32, bits: usize) -> &mut Self {
        for bit in 0..bits {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= u8::from(value >> bit & 1 == 1) << (self.count % 8);
            self.count += 1;
        }
        self
    }

    /// Bytes of zeros.
    fn zeros(&mut self, bytes: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len() + bytes, 0);
        self.count = self.bytes.len() * 8;
        self
    }

    /// A code, from its highest bit on.
    fn code(&mut self, code: u32, bits: usize) -> &mut Self {
        self.number(code.reverse_bits() >> (32 - bits), bits)
    }
}

/// The fixed codes of `a`, a match of three bytes, and the end of a block.
const FIXED_A: u32 = 0x30 + b'a' as u32;
const FIXED_MATCH: u32 = 1;
const FIXED_END: u32 = 0;

#[test]
fn fixed_codes_that_stand_for_nothing_are_damage() {
    let mut distance = BitWriter::default();
    distance.number(0b011, 3).code(FIXED_A, 8).code(FIXED_MATCH, 7).code(30, 5).zeros(8);
    let mut length = BitWriter::default();
    length.number(0b011, 3).code(FIXED_A, 8).code(0b1100_0110, 8).zeros(8);
    for stream in [distance.bytes, length.bytes] {
        let outcome = inflated(&mut Inflater::new(), &stream, 100);
        assert_eq!(outcome, (b"a".to_vec(), Err(Damage::Corrupt)));
        hold(&stream);
    }
}

#[test]
fn a_match_does_not_reach_before_the_text() {
    for (back, expected) in [(0, Ok(4)), (1, Err(Damage::Corrupt))] {
        let mut stream = BitWriter::default();
        stream.number(0b011, 3).code(FIXED_A, 8).code(FIXED_MATCH, 7).code(back, 5);
        stream.code(FIXED_END, 7);
        let (text, result) = inflated(&mut Inflater::new(), &stream.bytes, 100);
        assert_eq!(result, expected);
        assert_eq!(text, &b"aaaa"[..if expected.is_ok() { 4 } else { 1 }]);
        hold(&stream.bytes);
    }
}

#[test]
fn headers_are_refused_as_zlib_refuses_them() {
    // Of a block of its own codes: how many literals, distances and lengths of codes beyond the least, and these lengths.
    let header = |literals, distances, lengths: &[u32]| {
        let mut stream = BitWriter::default();
        stream.number(0b101, 3).number(literals, 5).number(distances, 5);
        stream.number(u32::try_from(lengths.len() - 4).unwrap(), 4);
        for length in lengths {
            stream.number(*length, 3);
        }
        stream.zeros(80);
        stream.bytes
    };
    let full = [2, 2, 2, 2];
    for (stream, what) in [
        (header(30, 0, &full), "287 literals"),
        (header(0, 30, &full), "31 distances"),
        (header(0, 0, &[1, 1, 1, 0]), "too many codes"),
        (header(0, 0, &[1, 2, 0, 0]), "too few codes"),
        (header(0, 0, &[1, 0, 0, 0]), "a single code"),
        (header(0, 0, &[0, 0, 0, 0]), "no code"),
        (header(0, 0, &full), "a repeat of nothing"),
        (vec![0b110], "a kind that is none"),
    ] {
        let (text, result) = inflated(&mut Inflater::new(), &stream, 100);
        assert_eq!((text.len(), result), (0, Err(Damage::Corrupt)), "{what}");
        hold(&stream);
    }
}

#[test]
fn stored_bytes_are_as_many_as_they_say() {
    let stream = |length: u16, check: u16, bytes: &[u8]| {
        [&[1][..], &length.to_le_bytes(), &check.to_le_bytes(), bytes].concat()
    };
    for (stream, expected) in [
        (stream(3, !3, b"abcde"), (&b"abc"[..], Ok(8))),
        (stream(0, !0, b""), (b"", Ok(5))),
        (stream(3, 3, b"abc"), (b"", Err(Damage::Corrupt))),
        (stream(9, !9, b"abc"), (b"abc", Err(Damage::Truncated))),
        (stream(9, !9, b"")[..4].to_vec(), (b"", Err(Damage::Truncated))),
    ] {
        for piece_bytes in [1, 2, 100] {
            let (text, result) = inflated(&mut Inflater::new(), &stream, piece_bytes);
            assert_eq!((&text[..], result), expected);
        }
        hold(&stream);
    }
}

#[test]
fn without_room_there_is_neither_text_nor_damage() {
    let (stream, mut at) = (deflate(b"text", 6), 0);
    let progress = Inflater::new().inflate(&stream, &mut [0; OVERHANG], &mut at);
    assert_eq!((progress, at), (Ok(Progress::More), 0));
}
