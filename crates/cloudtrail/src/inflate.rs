//! Bytes of a log object, inflated at once or piece by piece, under a cap.
//!
//! libdeflate inflates a whole object twice as fast as a stream can be, but needs room for all of it, and reads one gzip
//! member only. So small objects of one member go that way, and everything else, also everything that is damaged,
//! through the stream.
//!
//! Whether an object is gzip is told by its first bytes, never by its name: clients that honour Content-Encoding
//! store `.json.gz` objects inflated, and archivers concatenate gzip members. The inflate state belongs to the
//! worker and is reset, not rebuilt, from object to object.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use libdeflater::Decompressor;
use memchr::memmem;

use crate::failure::Failure;
use crate::read::Limits;
use crate::room::Room;

/// The inflate state a worker keeps.
pub(crate) struct Inflater {
    state: Decompress,
    crc: Crc,
    at_once: Decompressor,
    whole: Room,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self {
            state: Decompress::new(false),
            crc: Crc::new(),
            at_once: Decompressor::new(),
            whole: Room::default(),
        }
    }

    /// The text of an object that is no gzip, or of one that is a single gzip member of at most `whole_bytes_max`.
    /// `None` leaves it to [`Source`] to read it, and to say what is wrong with it.
    pub(crate) fn whole<'w>(&'w mut self, object: &'w [u8], limits: &Limits) -> Option<&'w [u8]> {
        if !is_gzip(object) {
            return (object.len() as u64 <= limits.raw_bytes_max).then_some(object);
        }
        // A member ends with the length of its text, which says how much room it takes.
        let (before, length) = object.split_last_chunk::<4>()?;
        let bytes = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if bytes > limits.whole_bytes_max || bytes as u64 > limits.raw_bytes_max {
            return None;
        }
        let text = self.whole.of(bytes)?;
        let inflated = self.at_once.gzip_decompress(object, text).ok()?;
        // libdeflate does not say how much of the input it took, and takes one member. But the member it took ended in
        // these four bytes: if they stand nowhere else, it ended where the object does, and there is no second one.
        let others = &object[..before.len() + length.len() - 1];
        (inflated == bytes && memmem::find(others, length).is_none()).then_some(text)
    }
}

fn is_gzip(object: &[u8]) -> bool {
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

/// The most bytes inflated by one call. The room for them is zeroed first, which a member of a few bytes must not pay
/// for a whole block.
const PIECE_BYTES_MAX: usize = 64 << 10;

impl<'a> Source<'a> {
    pub(crate) fn new(object: &'a [u8], bytes_max: u64) -> Self {
        let stage = if is_gzip(object) { Stage::Header { first: true } } else { Stage::Plain };
        Self { rest: object, stage, bytes_out: 0, bytes_max }
    }

    /// How many bytes have come out so far.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// Appends bytes to `out` until it holds `length` or the object ends, and says whether more may follow.
    /// After an error `out` keeps what came before it.
    pub(crate) fn fill(
        &mut self,
        inflater: &mut Inflater,
        out: &mut Vec<u8>,
        length: usize,
    ) -> Result<bool, Failure> {
        while out.len() < length {
            match self.stage {
                Stage::Plain => {
                    let taken = self.rest.len().min(length - out.len());
                    self.count(taken)?;
                    out.extend_from_slice(&self.rest[..taken]);
                    self.rest = &self.rest[taken..];
                    if self.rest.is_empty() {
                        self.stage = Stage::End;
                    }
                }
                Stage::Header { first } => self.header(inflater, first)?,
                Stage::Deflate => self.deflate(inflater, out, length)?,
                Stage::Trailer => self.trailer(inflater)?,
                Stage::End => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads a member's header. Between members and after the last zeros may stand: tape archivers pad with them.
    fn header(&mut self, inflater: &mut Inflater, first: bool) -> Result<(), Failure> {
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
        inflater.state.reset(false);
        inflater.crc.reset();
        self.stage = Stage::Deflate;
        Ok(())
    }

    fn deflate(
        &mut self,
        inflater: &mut Inflater,
        out: &mut Vec<u8>,
        length: usize,
    ) -> Result<(), Failure> {
        let start = out.len();
        out.resize(length.min(start + PIECE_BYTES_MAX), 0);
        let (in_before, out_before) = (inflater.state.total_in(), inflater.state.total_out());
        let result = inflater.state.decompress(self.rest, &mut out[start..], FlushDecompress::None);
        let taken = usize::try_from(inflater.state.total_in() - in_before).unwrap_or(usize::MAX);
        let given = usize::try_from(inflater.state.total_out() - out_before).unwrap_or(usize::MAX);
        out.truncate(start.saturating_add(given));
        self.rest = self.rest.get(taken..).unwrap_or_default();
        inflater.crc.update(&out[start..]);
        self.count(given)?;
        match result {
            Ok(Status::StreamEnd) => {
                self.stage = Stage::Trailer;
                Ok(())
            }
            Ok(_) if taken == 0 && given == 0 => Err(Failure::GzipTruncated),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::GzipCorrupt),
        }
    }

    fn trailer(&mut self, inflater: &Inflater) -> Result<(), Failure> {
        let Some((trailer, rest)) = self.rest.split_first_chunk::<TRAILER_BYTES>() else {
            return Err(Failure::GzipTruncated);
        };
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        if crc != inflater.crc.sum() || size != inflater.crc.amount() {
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
        let mut out = Vec::new();
        let mut inflater = Inflater::new();
        let mut source = Source::new(object, bytes_max);
        loop {
            let length = out.len() + 7;
            match source.fill(&mut inflater, &mut out, length) {
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
    fn an_object_is_whole_only_if_it_is_one_member_of_the_length_it_claims() {
        let limits = Limits { whole_bytes_max: 1000, ..Limits::default() };
        let whole = |object: &[u8]| Inflater::new().whole(object, &limits).map(<[u8]>::to_vec);
        let one = gzip(b"some text");
        assert_eq!(whole(&one).as_deref(), Some(&b"some text"[..]));
        assert_eq!(whole(b"{}").as_deref(), Some(&b"{}"[..]), "no gzip");
        assert_eq!(whole(&[&one[..], &one].concat()), None, "twice the same member");
        assert_eq!(whole(&[&one[..], &gzip(b"more text")].concat()), None, "as long a member");
        assert_eq!(whole(&[&one[..], &[0; 512]].concat()), None, "padding");
        assert_eq!(whole(&[&one[..], &one[one.len() - 8..]].concat()), None, "a trailer alone");
        assert_eq!(whole(&one[..one.len() - 1]), None, "cut");
        assert_eq!(whole(&gzip(&[b' '; 1001])), None, "too long");
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
