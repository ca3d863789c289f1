//! The fields that a rule set asks for, as a trie over the keys of a record.
//!
//! A record is looked through one level at a time, and only where a rule asks: its own keys in one pass, the members
//! of `userIdentity` when the first rule asks for one of them, and so on. What nobody asks for is skipped in one step.
//! The nodes are numbered level by level, so that the children of a node are neighbours.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::path::Path;

/// A node of the trie; 0 is the record.
pub(crate) type NodeId = u32;

/// The record itself.
pub(crate) const ROOT: NodeId = 0;

/// The node of `eventSource`, which is always there.
pub(crate) const SOURCE: NodeId = 1;

/// The node of `eventName`, which is always there.
pub(crate) const NAME: NodeId = 2;

/// Children beyond this many are found by hash.
const SCANNED_MAX: usize = 8;

/// A hash map that does the same in every process.
pub(crate) type Map<K, V> = HashMap<K, V, FixedState>;

/// The trie.
#[derive(Debug)]
pub(crate) struct Fields {
    nodes: Vec<Node>,
    /// The nodes' parents and keys by themselves: matching looks at little else.
    parents: Vec<NodeId>,
    keys: Vec<Key>,
    /// For each node with children its number among such nodes.
    inner: Vec<u32>,
    inner_count: usize,
    by_path: Map<Box<str>, NodeId>,
}

#[derive(Debug)]
struct Node {
    path: Path,
    children: Range<NodeId>,
    /// The children by key, if they are many.
    by_key: Option<Map<Box<str>, NodeId>>,
}

/// A key that is compared as three numbers, unless it is long.
#[derive(Clone, Debug)]
struct Key {
    print: Print,
    text: Box<str>,
}

/// The length of a key, its first eight bytes, the eight after them, and its last eight; zeros where it is too short. They
/// are the whole of a key of at most 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Print {
    bytes: usize,
    head: u64,
    middle: u64,
    tail: u64,
}

/// Longer keys are compared by their bytes as well.
const PRINTED_BYTES: usize = 24;

impl Print {
    #[inline]
    pub(crate) fn of(key: &str) -> Self {
        let bytes = key.as_bytes();
        let (head, tail) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => {
                let mut head = [0; 8];
                head[..bytes.len()].copy_from_slice(bytes);
                (u64::from_le_bytes(head), 0)
            }
        };
        let middle = match bytes.get(8..16).and_then(|bytes| bytes.first_chunk::<8>()) {
            Some(middle) => u64::from_le_bytes(*middle),
            None => 0,
        };
        Self { bytes: bytes.len(), head, middle, tail }
    }

    /// Whether the print is the whole key.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self.bytes <= PRINTED_BYTES
    }
}

impl Key {
    fn new(text: &str) -> Self {
        Self { print: Print::of(text), text: text.into() }
    }

    #[inline]
    fn is(&self, print: Print, text: &str) -> bool {
        self.print == print && (print.bytes <= PRINTED_BYTES || *self.text == *text)
    }
}

impl Fields {
    /// The trie of these dotted paths.
    pub(crate) fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut children: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for path in paths {
            let mut above = "";
            for (end, _) in path.match_indices('.').chain([(path.len(), "")]) {
                let here = &path[..end];
                children.entry(above).or_default().insert(here);
                above = here;
            }
        }
        let mut nodes = vec![Node::new("")];
        let (mut parents, mut keys) = (vec![ROOT], vec![Key::new("")]);
        let mut queue = VecDeque::from([(ROOT, "")]);
        while let Some((id, path)) = queue.pop_front() {
            let start = number(nodes.len());
            let first: &[&str] = if id == ROOT { &["eventSource", "eventName"] } else { &[] };
            let below = children.get(path);
            let rest = below.into_iter().flatten().filter(|path| !first.contains(path));
            for &child in first.iter().chain(rest) {
                debug_assert!(
                    !child.is_empty() && !child.ends_with('.'),
                    "no key of a path is empty"
                );
                let key = if path.is_empty() { child } else { &child[path.len() + 1..] };
                queue.push_back((number(nodes.len()), child));
                nodes.push(Node::new(child));
                parents.push(id);
                keys.push(Key::new(key));
            }
            let range = start..number(nodes.len());
            if range.len() > SCANNED_MAX {
                let by_key = range.clone().map(|id| (keys[id as usize].text.clone(), id)).collect();
                nodes[id as usize].by_key = Some(by_key);
            }
            nodes[id as usize].children = range;
        }
        let mut inner_count = 0;
        let inner = nodes
            .iter()
            .map(|node| {
                let nth = inner_count;
                inner_count += u32::from(!node.children.is_empty());
                nth
            })
            .collect();
        let inner_count = inner_count as usize;
        let named = nodes.iter().zip(0..).skip(1);
        let by_path = named.filter_map(|(node, id)| Some((node.path.keys()?.into(), id))).collect();
        Self { nodes, parents, keys, inner, inner_count, by_path }
    }

    /// The node of a dotted path, if some rule asked for it or for something below.
    pub(crate) fn node(&self, path: &str) -> Option<NodeId> {
        self.by_path.get(path).copied()
    }

    /// How many nodes there are, the record included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn parent(&self, id: NodeId) -> NodeId {
        self.parents[id as usize]
    }

    /// How many nodes have children.
    pub(crate) fn inner_count(&self) -> usize {
        self.inner_count
    }

    /// The number of a node with children among such nodes.
    pub(crate) fn inner(&self, id: NodeId) -> usize {
        self.inner[id as usize] as usize
    }

    /// A node's key in its parent.
    pub(crate) fn key(&self, id: NodeId) -> &str {
        &self.keys[id as usize].text
    }

    pub(crate) fn path(&self, id: NodeId) -> &Path {
        &self.nodes[id as usize].path
    }

    pub(crate) fn children(&self, id: NodeId) -> Range<NodeId> {
        self.nodes[id as usize].children.clone()
    }

    /// The child of a node by its key.
    pub(crate) fn child(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let node = &self.nodes[id as usize];
        if let Some(by_key) = &node.by_key {
            return by_key.get(key).copied();
        }
        let print = Print::of(key);
        let range = node.children.start as usize..node.children.end as usize;
        let nth = self.keys[range].iter().position(|child| child.is(print, key))?;
        Some(node.children.start + number(nth))
    }
}

impl Node {
    fn new(path: &str) -> Self {
        Self { path: Path::of_keys(path), children: 0..0, by_key: None }
    }
}

fn number(number: usize) -> NodeId {
    u32::try_from(number).expect("memory ends before u32 does")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_neighbours_and_found_by_key() {
        let many: Vec<String> = (0..40).map(|n| format!("requestParameters.k{n}")).collect();
        let paths =
            ["userIdentity.arn", "userIdentity.sessionContext.sessionIssuer.arn", "errorCode"];
        let fields = Fields::new(paths.into_iter().chain(many.iter().map(String::as_str)));
        assert_eq!(fields.node("eventSource"), Some(SOURCE));
        assert_eq!(fields.node("eventName"), Some(NAME));
        for path in paths.iter().copied().chain(many.iter().map(String::as_str)) {
            let mut at = ROOT;
            for key in path.split('.') {
                at = fields.child(at, key).unwrap();
            }
            assert_eq!(fields.node(path), Some(at));
            assert_eq!(fields.path(at).keys(), Some(path));
            assert!(fields.children(fields.parent(at)).contains(&at));
        }
        assert!(fields.child(ROOT, "awsRegion").is_none());
        assert!(fields.child(fields.node("userIdentity").unwrap(), "arm").is_none());
    }
}
