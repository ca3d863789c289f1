//! What no reader of these files can be faster than, or hardly: inflation alone, and inflation with a tape of all.
//!
//! Each thread keeps one buffer for the file, one for the text and one for the parser from object to object. That for the
//! text is there before the clock starts, touched and as long as the longest needs.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;
use simd_json::{Buffers, INPUT_PADDING, Node, Tape, fill_tape_padded};

use crate::contender::{Outcome, share_out};

/// libdeflate, the object whole.
pub(crate) const INFLATE: &str = "libdeflate";
/// The same, and a tape of the object whole.
pub(crate) const TAPE: &str = "libdeflate-tape";
/// flate2, in blocks.
pub(crate) const STREAM: &str = "flate2";
/// The same, and a tape of each block.
pub(crate) const STREAM_TAPE: &str = "flate2-tape";

/// As many bytes as Trailloop takes at once.
const BLOCK_BYTES: usize = 4 << 20;

/// How a log object of the synthetic organization begins, and each record after the first.
const BEGIN: &[u8] = b"{\"Records\":[";
const NEXT: &[u8] = b"},{\"eventVersion\"";

pub(crate) fn run(what: &str, files: &[PathBuf], threads: usize) -> Outcome {
    let work = match what {
        INFLATE => State::inflate,
        TAPE => State::inflate_to_tape,
        STREAM => State::stream,
        STREAM_TAPE => State::stream_to_tape,
        _ => panic!("nobody is called {what}"),
    };
    let text_bytes = match what {
        INFLATE | TAPE => longest(files) + INPUT_PADDING,
        _ => BLOCK_BYTES + INPUT_PADDING,
    };
    let states = (0..threads).map(|_| State::new(text_bytes)).collect();
    share_out(files, states, |state, path| {
        state.read(path);
        work(state)
    })
}

struct State {
    file: Vec<u8>,
    text: Vec<u8>,
    decompressor: Decompressor,
    buffers: Buffers,
    tape: Tape<'static>,
    /// The beginning of a record that the next block ends.
    rest: Vec<u8>,
}

impl State {
    fn new(text_bytes: usize) -> Self {
        Self {
            file: Vec::new(),
            text: vec![b' '; text_bytes],
            decompressor: Decompressor::new(),
            buffers: Buffers::default(),
            tape: Tape(Vec::new()),
            rest: Vec::new(),
        }
    }

    fn read(&mut self, path: &Path) {
        self.file.clear();
        let mut file = File::open(path).expect("read the corpus");
        file.read_to_end(&mut self.file).expect("read the corpus");
    }

    fn inflate(&mut self) -> Outcome {
        let length = self.inflate_whole();
        Outcome { bytes_raw: length as u64, ..Outcome::default() }
    }

    fn inflate_to_tape(&mut self) -> Outcome {
        let length = self.inflate_whole();
        let text = &mut self.text[..length + INPUT_PADDING];
        let records = parse(text, length, &mut self.buffers, &mut self.tape, |tape| {
            // An object, a key, and then the array.
            elements(&tape[2])
        });
        Outcome { bytes_raw: length as u64, records, ..Outcome::default() }
    }

    fn inflate_whole(&mut self) -> usize {
        let length = text_length(&self.file);
        self.decompressor
            .gzip_decompress(&self.file, &mut self.text[..length])
            .expect("the corpus is gzip")
    }

    fn stream(&mut self) -> Outcome {
        let mut decoder = MultiGzDecoder::new(&*self.file);
        let mut bytes_raw = 0;
        loop {
            let read = fill(&mut decoder, &mut self.text[..BLOCK_BYTES]);
            bytes_raw += read as u64;
            if read == 0 {
                return Outcome { bytes_raw, ..Outcome::default() };
            }
        }
    }

    /// Where records end is told by how this organization's begin, which costs next to nothing.
    fn stream_to_tape(&mut self) -> Outcome {
        let Self { file, text, buffers, tape, rest, .. } = self;
        let mut decoder = MultiGzDecoder::new(&**file);
        let mut outcome = Outcome::default();
        rest.clear();
        loop {
            text[..rest.len()].copy_from_slice(rest);
            let read = fill(&mut decoder, &mut text[rest.len()..BLOCK_BYTES]);
            let length = rest.len() + read;
            outcome.bytes_raw += read as u64;
            // From the bracket of the array, or the comma after the last block's last record.
            let start = if outcome.bytes_raw == read as u64 { BEGIN.len() - 1 } else { 0 };
            let is_last = length < BLOCK_BYTES;
            let end = if is_last {
                length - 2
            } else {
                memmem::rfind(&text[..length], NEXT).expect("a block holds more than a record") + 1
            };
            rest.clear();
            rest.extend_from_slice(&text[end..length]);
            text[start] = b'[';
            text[end] = b']';
            let block = &mut text[start..end + 1 + INPUT_PADDING];
            outcome.records +=
                parse(block, end + 1 - start, buffers, tape, |tape| elements(&tape[0]));
            if is_last {
                return outcome;
            }
        }
    }
}

/// The length of the longest text.
fn longest(files: &[PathBuf]) -> usize {
    let length = |path: &&PathBuf| path.metadata().map_or(0, |file| file.len());
    // They are compressed alike, so it is in the longest file, or in one that is hardly shorter.
    let longest = files.iter().max_by_key(length).expect("the corpus holds objects");
    let text = text_length(&fs::read(longest).expect("read the corpus"));
    text + text / 4
}

/// Gzip ends in the length of the text.
fn text_length(object: &[u8]) -> usize {
    let (_, length) = object.split_last_chunk::<4>().expect("the corpus is gzip");
    u32::from_le_bytes(*length) as usize
}

/// Reads until the buffer is full or all is read.
fn fill(decoder: &mut impl Read, mut buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while !buffer.is_empty() {
        let read = decoder.read(buffer).expect("the corpus is gzip");
        if read == 0 {
            break;
        }
        filled += read;
        buffer = &mut buffer[read..];
    }
    filled
}

/// Parses a text in place, and gives what `look` says of the tape.
fn parse(
    text: &mut [u8],
    length: usize,
    buffers: &mut Buffers,
    kept: &mut Tape<'static>,
    look: impl FnOnce(&[Node<'_>]) -> u64,
) -> u64 {
    text[length..].fill(0);
    let mut tape = std::mem::replace(kept, Tape(Vec::new())).reset();
    fill_tape_padded(text, length, buffers, &mut tape).expect("the corpus is JSON");
    let seen = look(&tape.0);
    *kept = tape.reset();
    seen
}

fn elements(node: &Node<'_>) -> u64 {
    match node {
        Node::Array { len, .. } => *len as u64,
        _ => panic!("the corpus holds an array of records"),
    }
}
