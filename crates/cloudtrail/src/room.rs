//! Room for the text of an object that is inflated at once.
//!
//! The text of a busy object is megabytes long, written once and read once. On pages of four kilobytes the processor looks up a new
//! page every few dozen records, so the system is asked for huge ones; where it has none these are pages like any other. What is
//! not touched takes no memory.

use memmap2::MmapMut;

/// It grows by doubling, from one huge page on.
const LEAST_BYTES: usize = 2 << 20;

/// The room, kept from object to object.
#[derive(Default)]
pub(crate) struct Room(Option<MmapMut>);

impl Room {
    /// Room for so many bytes, whatever stands in it now; `None` if the system has no more.
    pub(crate) fn of(&mut self, bytes: usize) -> Option<&mut [u8]> {
        if self.0.as_ref().is_none_or(|map| map.len() < bytes) {
            // What was there goes first.
            self.0 = None;
            let length = bytes.max(LEAST_BYTES).checked_next_power_of_two()?;
            let map = MmapMut::map_anon(length).ok()?;
            ask_for_huge_pages(&map);
            self.0 = Some(map);
        }
        self.0.as_mut()?.get_mut(..bytes)
    }
}

#[cfg(target_os = "linux")]
fn ask_for_huge_pages(map: &MmapMut) {
    // A kernel without them refuses, and nothing is lost.
    map.advise(memmap2::Advice::HugePage).ok();
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_map: &MmapMut) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_is_as_long_as_asked() {
        let mut room = Room::default();
        for bytes in [0, 1, 5_000, LEAST_BYTES, LEAST_BYTES + 1, 3] {
            let text = room.of(bytes).unwrap();
            assert_eq!(text.len(), bytes);
            text.fill(b'x');
        }
        assert!(room.of(usize::MAX).is_none(), "more than there is");
        assert!(room.of(9).is_some(), "and then it goes on");
    }
}
