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

/// Root keys that nearly every record has. Knowing those that no rule asks for spares a look for dots in them.
const USUAL_KEYS: &[&str] = &[
    "additionalEventData",
    "awsRegion",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventID",
    "eventTime",
    "eventType",
    "eventVersion",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "resources",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "tlsDetails",
    "userAgent",
    "userIdentity",
    "vpcEndpointId",
];

/// A hash map that does the same in every process.
pub(crate) type Map<K, V> = HashMap<K, V, FixedState>;

/// The trie.
#[derive(Debug)]
pub(crate) struct Fields {
    nodes: Vec<Node>,
    root: RootKeys,
    by_path: Map<Box<str>, NodeId>,
}

#[derive(Debug)]
struct Node {
    key: Box<str>,
    path: Path,
    parent: NodeId,
    children: Range<NodeId>,
    /// The children by key, if they are many.
    by_key: Option<Map<Box<str>, NodeId>>,
}

/// What a key of the record is to the rules.
pub(crate) enum RootKey {
    /// The node of that key.
    Node(NodeId),
    /// A key that no rule asks for and that holds no dot.
    Unasked,
    Unknown,
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
        let mut nodes = vec![Node::new("", "", ROOT)];
        let mut queue = VecDeque::from([(ROOT, "")]);
        while let Some((id, path)) = queue.pop_front() {
            let start = number(nodes.len());
            let first: &[&str] = if id == ROOT { &["eventSource", "eventName"] } else { &[] };
            let below = children.get(path);
            let rest = below.into_iter().flatten().filter(|path| !first.contains(path));
            for &child in first.iter().chain(rest) {
                let key = if path.is_empty() { child } else { &child[path.len() + 1..] };
                queue.push_back((number(nodes.len()), child));
                nodes.push(Node::new(key, child, id));
            }
            let range = start..number(nodes.len());
            if range.len() > SCANNED_MAX && id != ROOT {
                let by_key = range.clone().map(|id| (nodes[id as usize].key.clone(), id)).collect();
                nodes[id as usize].by_key = Some(by_key);
            }
            nodes[id as usize].children = range;
        }
        let root = RootKeys::new(&nodes);
        let named = nodes.iter().zip(0..).skip(1);
        let by_path = named.filter_map(|(node, id)| Some((node.path.keys()?.into(), id))).collect();
        Self { nodes, root, by_path }
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
        self.nodes[id as usize].parent
    }

    pub(crate) fn path(&self, id: NodeId) -> &Path {
        &self.nodes[id as usize].path
    }

    pub(crate) fn children(&self, id: NodeId) -> Range<NodeId> {
        self.nodes[id as usize].children.clone()
    }

    pub(crate) fn root_key(&self, key: &str) -> RootKey {
        self.root.get(key, &self.nodes)
    }

    /// The child of a node by its key.
    pub(crate) fn child(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let node = &self.nodes[id as usize];
        match &node.by_key {
            Some(by_key) => by_key.get(key).copied(),
            None => node.children.clone().find(|&child| *self.nodes[child as usize].key == *key),
        }
    }
}

impl Node {
    fn new(key: &str, path: &str, parent: NodeId) -> Self {
        Self { key: key.into(), path: Path::of_keys(path), parent, children: 0..0, by_key: None }
    }
}

/// The keys of the record itself, asked for or usual, in a table that one multiplication finds them in.
#[derive(Debug)]
struct RootKeys {
    /// Places of a power of two; each the number of a key plus one, or 0.
    table: Box<[u16]>,
    /// The keys: first the root's children in order, then usual ones that no rule asks for.
    keys: Vec<Box<str>>,
    asked: usize,
}

impl RootKeys {
    fn new(nodes: &[Node]) -> Self {
        let asked = nodes[ROOT as usize].children.len();
        let mut keys: Vec<Box<str>> =
            nodes[1..=asked].iter().map(|node| node.key.clone()).collect();
        for usual in USUAL_KEYS {
            if !keys.iter().any(|key| **key == **usual) {
                keys.push((*usual).into());
            }
        }
        let mut table = vec![0; (keys.len() * 4).next_power_of_two()].into_boxed_slice();
        for (nth, key) in keys.iter().enumerate() {
            let mut at = place(key, table.len());
            while table[at] != 0 {
                at = (at + 1) % table.len();
            }
            table[at] = u16::try_from(nth + 1).unwrap_or(0);
        }
        Self { table, keys, asked }
    }

    fn get(&self, key: &str, nodes: &[Node]) -> RootKey {
        let mut at = place(key, self.table.len());
        loop {
            let number = usize::from(self.table[at]);
            if number == 0 {
                break;
            }
            if *self.keys[number - 1] == *key {
                return match number <= self.asked {
                    true => RootKey::Node(self::number(number)),
                    false => RootKey::Unasked,
                };
            }
            at = (at + 1) % self.table.len();
        }
        // More keys than the table's numbers hold are found the slow way.
        let beyond = (self.keys.len() > usize::from(u16::MAX))
            .then(|| nodes[1..=self.asked].iter().position(|node| *node.key == *key));
        beyond.flatten().map_or(RootKey::Unknown, |nth| RootKey::Node(self::number(nth + 1)))
    }
}

/// A key's first place in the table. Length, first, last and middle byte tell CloudTrail's root keys apart well.
fn place(key: &str, length: usize) -> usize {
    let bytes = key.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().map_or(0, usize::from);
    let last = bytes.len().saturating_sub(1);
    (bytes.len() * 7 + byte(0) * 31 + byte(last) * 3 + byte(last / 2) * 13) & (length - 1)
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
                at = match at {
                    ROOT => match fields.root_key(key) {
                        RootKey::Node(id) => id,
                        _ => panic!("{key}"),
                    },
                    at => fields.child(at, key).unwrap(),
                };
            }
            assert_eq!(fields.node(path), Some(at));
            assert_eq!(fields.path(at).keys(), Some(path));
            assert!(fields.children(fields.parent(at)).contains(&at));
        }
        assert!(matches!(fields.root_key("awsRegion"), RootKey::Unasked));
        assert!(matches!(fields.root_key("other"), RootKey::Unknown));
        assert!(fields.child(fields.node("userIdentity").unwrap(), "arm").is_none());
    }
}
