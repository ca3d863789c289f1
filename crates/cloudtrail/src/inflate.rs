//! Bytes of a log object, inflated piece by piece under a cap.
//!
//! Whether an object is gzip is told by its first bytes, never by its name: clients that honour Content-Encoding
//! store `.json.gz` objects inflated, and archivers concatenate gzip members. The inflate state belongs to the
//! worker and is reset, not rebuilt, from object to object.

use libdeflater::Crc;
use trailloop_inflate::{Damage, Progress};

use crate::failure::Failure;
use crate::text::Text;

/// The inflate state a worker keeps.
pub(crate) struct Inflater {
    stream: trailloop_inflate::Inflater,
    /// The checksum of the member at hand, and how many bytes it holds so far.
    crc: Crc,
    bytes: u64,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { stream: trailloop_inflate::Inflater::new(), crc: Crc::new(), bytes: 0 }
    }

    /// Begins a gzip member.
    fn begin(&mut self) {
        self.stream.reset();
        self.crc = Crc::new();
        self.bytes = 0;
    }
}

pub(crate) fn is_gzip(object: &[u8]) -> bool {
    object.starts_with(&[0x1f, 0x8b])
}

/// Where the next bytes of an object come from.
pub(crate) struct Source<'a> {
    /// What of the object has not been read yet.
    rest: &'a [u8],
    stage: Stage,
    bytes_out: u64,
    bytes_max: u64,
}

enum Stage {
    /// No gzip, and over the cap: what is not is read where it lies.
    Plain,
    /// Before a gzip member's header, or at the end.
    Header {
        first: bool,
    },
    Deflate,
    Trailer,
    End,
}

/// The length of a gzip member's CRC-32 and size.
const TRAILER_BYTES: usize = 8;

impl<'a> Source<'a> {
    pub(crate) fn new(object: &'a [u8], bytes_max: u64) -> Self {
        let stage = if is_gzip(object) { Stage::Header { first: true } } else { Stage::Plain };
        Self { rest: object, stage, bytes_out: 0, bytes_max }
    }

    /// How many bytes have come out so far.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// Appends bytes to `text` until it is `length` long or a little more, or the object ends; says whether more may follow.
    /// After an error `text` keeps what came before it.
    pub(crate) fn fill(
        &mut self,
        inflater: &mut Inflater,
        text: &mut Text,
        length: usize,
    ) -> Result<bool, Failure> {
        while text.bytes().len() < length {
            match self.stage {
                Stage::Plain => {
                    let taken = self.rest.len().min(length - text.bytes().len());
                    self.count(taken)?;
                    text.append(&self.rest[..taken]);
                    self.rest = &self.rest[taken..];
                    if self.rest.is_empty() {
                        self.stage = Stage::End;
                    }
                }
                Stage::Header { first } => self.header(inflater, text, first)?,
                Stage::Deflate => self.inflate(inflater, text, length)?,
                Stage::Trailer => self.trailer(inflater)?,
                Stage::End => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads a member's header. Between members and after the last zeros may stand: tape archivers pad with them.
    fn header(
        &mut self,
        inflater: &mut Inflater,
        text: &mut Text,
        first: bool,
    ) -> Result<(), Failure> {
        if !first {
            let zeros = self.rest.iter().take_while(|byte| **byte == 0).count();
            self.rest = &self.rest[zeros..];
            if self.rest.is_empty() {
                self.stage = Stage::End;
                return Ok(());
            }
        }
        let length = header_length(self.rest).map_err(|defect| match defect {
            Defect::Truncated => Failure::GzipTruncated,
            Defect::NotGzip if first => Failure::GzipCorrupt,
            Defect::NotGzip => Failure::GzipTrailing,
        })?;
        self.rest = &self.rest[length..];
        inflater.begin();
        text.begin_member();
        self.stage = Stage::Deflate;
        Ok(())
    }

    fn inflate(
        &mut self,
        inflater: &mut Inflater,
        text: &mut Text,
        length: usize,
    ) -> Result<(), Failure> {
        let before = text.bytes().len();
        let progress =
            text.extend(length, |member, at| inflater.stream.inflate(self.rest, member, at));
        let inflated = &text.bytes()[before..];
        inflater.crc.update(inflated);
        inflater.bytes += inflated.len() as u64;
        self.count(inflated.len())?;
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::End) => {
                self.rest = &self.rest[inflater.stream.taken()..];
                self.stage = Stage::Trailer;
            }
            Err(Damage::Truncated) => return Err(Failure::GzipTruncated),
            Err(Damage::Corrupt) => return Err(Failure::GzipCorrupt),
        }
        Ok(())
    }

    fn trailer(&mut self, inflater: &Inflater) -> Result<(), Failure> {
        let Some((trailer, rest)) = self.rest.split_first_chunk::<TRAILER_BYTES>() else {
            return Err(Failure::GzipTruncated);
        };
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        // The size is told modulo 2^32 (RFC 1952).
        if crc != inflater.crc.sum() || size != inflater.bytes as u32 {
            return Err(Failure::GzipChecksum);
        }
        self.rest = rest;
        self.stage = Stage::Header { first: false };
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes_out = self.bytes_out.saturating_add(bytes as u64);
        if self.bytes_out > self.bytes_max {
            return Err(Failure::ObjectTooLarge { bytes_max: self.bytes_max });
        }
        Ok(())
    }
}

enum Defect {
    Truncated,
    NotGzip,
}

/// The length of the gzip header (RFC 1952) that `bytes` starts with.
fn header_length(bytes: &[u8]) -> Result<usize, Defect> {
    const FIXED_BYTES: usize = 10;
    const DEFLATE: u8 = 8;
    const HAS_CRC: u8 = 1 << 1;
    const HAS_EXTRA: u8 = 1 << 2;
    const HAS_NAME: u8 = 1 << 3;
    const HAS_COMMENT: u8 = 1 << 4;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(Defect::NotGzip);
    }
    let fixed = bytes.get(..FIXED_BYTES).ok_or(Defect::Truncated)?;
    let (method, flags) = (fixed[2], fixed[3]);
    if method != DEFLATE {
        return Err(Defect::NotGzip);
    }
    let mut at = FIXED_BYTES;
    if flags & HAS_EXTRA != 0 {
        let length = bytes.get(at..at + 2).ok_or(Defect::Truncated)?;
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            let text = bytes.get(at..).ok_or(Defect::Truncated)?;
            at += 1 + text.iter().position(|byte| *byte == 0).ok_or(Defect::Truncated)?;
        }
    }
    if flags & HAS_CRC != 0 {
        at += 2;
    }
    if at > bytes.len() { Err(Defect::Truncated) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzBuilder::new()
            .filename("name")
            .comment("comment")
            .extra([1, 2, 3])
            .write(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(object: &[u8], bytes_max: u64) -> (Vec<u8>, Result<(), Failure>) {
        let (mut out, mut text) = (Vec::new(), Text::default());
        let mut inflater = Inflater::new();
        let mut source = Source::new(object, bytes_max);
        loop {
            let result = source.fill(&mut inflater, &mut text, 7);
            out.extend_from_slice(text.bytes());
            text.forget(text.bytes().len());
            match result {
                Ok(true) => {}
                Ok(false) => return (out, Ok(())),
                Err(failure) => return (out, Err(failure)),
            }
        }
    }

    #[test]
    fn every_member_is_read_and_zero_padding_ends_them() {
        let object = [gzip(b"one "), gzip(b""), vec![0; 70], gzip(b"two"), vec![0; 600]].concat();
        assert_eq!(inflate(&object, 100), (b"one two".to_vec(), Ok(())));
    }

    #[test]
    fn what_is_not_gzip_comes_as_it_is() {
        assert_eq!(inflate(b"{\"Records\":[]}", 100), (b"{\"Records\":[]}".to_vec(), Ok(())));
    }

    #[test]
    fn damage_is_named_and_what_came_before_it_is_kept() {
        let whole = gzip(b"some text that is long enough to be cut in the middle of it");
        for length in 1..whole.len() {
            let (text, result) = inflate(&whole[..length], 1000);
            if length > 1 {
                assert_eq!(result, Err(Failure::GzipTruncated), "cut at {length}");
            }
            assert!(
                length == 1
                    || b"some text that is long enough to be cut"
                        .starts_with(&text[..text.len().min(39)])
            );
        }
        let mut wrong_sum = whole.clone();
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        assert_eq!(inflate(&wrong_sum, 1000).1, Err(Failure::GzipChecksum));
        let trailing = [whole, b"{}".to_vec()].concat();
        assert_eq!(inflate(&trailing, 1000).1, Err(Failure::GzipTrailing));
    }

    #[test]
    fn a_member_does_not_repeat_what_another_one_holds() {
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        // A block of fixed codes, and in it a match of three bytes, one back.
        let member = [&header[..], &[0b0000_0011, 0b0000_0010, 0, 0]].concat();
        let (text, result) = inflate(&[gzip(b"text"), member].concat(), 100);
        assert_eq!((&text[..], result), (&b"text"[..], Err(Failure::GzipCorrupt)));
    }

    #[test]
    fn the_cap_stops_a_bomb() {
        let bomb = gzip(&vec![b' '; 100_000]);
        assert_eq!(inflate(&bomb, 1000).1, Err(Failure::ObjectTooLarge { bytes_max: 1000 }));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, gzip_start: bool) {
            if gzip_start {
                bytes.splice(0..0, [0x1f, 0x8b, 8]);
            }
            let _outcome = inflate(&bytes, 10_000);
        }
    }
}
