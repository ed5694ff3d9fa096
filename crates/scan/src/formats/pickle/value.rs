//! What the abstract machine holds on its stack: enough of each value to judge what is done with it.
//!
//! Tuples keep their items, because calls are judged by their arguments; everything that can change keeps only
//! atoms, so that no value holds itself. A ledger counts what is alive, and the machine stops when it is too much.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::names::Standing;

/// Tuples nested deeper are kept as a summary; it bounds the depth of every walk.
const DEPTH_MAX: u16 = 128;
/// A tuple with more items is kept as a summary, and so many a list, set or dict keeps while little else is alive.
const ITEMS_KEPT: usize = 4096;
/// How many items a list, set or dict keeps in any case, to be shown.
const ITEMS_SHOWN: usize = 8;
/// From here on what is kept in the memo is kept as a summary, where that loses only detail.
const LIVE_BYTES_CROWDED: usize = LIVE_BYTES_MAX / 2;
/// From here on not even short text is kept in the memo.
const LIVE_BYTES_NAMES: usize = LIVE_BYTES_MAX / 4 * 3;
/// Text that may name a module or a class is kept longer.
const NAME_BYTES_MAX: usize = 64;
/// The most that may be alive at once, in bytes.
pub(super) const LIVE_BYTES_MAX: usize = 8 << 20;

/// A value on the stack.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A float, or an integer that does not fit; which one matters to nobody.
    Number,
    /// The integer that starts a torch file of the older kind.
    TorchMagic,
    Text(Rc<Text>),
    Bytes(Rc<Bytes>),
    /// Plain data too large to keep.
    Data,
    /// Something too large to keep with more than plain data in it, or that is not known.
    Mixed,
    Tuple(Rc<Tuple>),
    Container(Rc<Container>),
    Global(Rc<Global>),
    Made(Rc<Made>),
    /// What the loader gives for a persistent id: in torch a storage of so many elements.
    Storage(u64),
    /// What the extension registry gives.
    Extension,
}

impl Value {
    /// The text, if that is what this is.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.value),
            _ => None,
        }
    }

    /// The items, if this is a tuple that was kept.
    pub(super) fn as_tuple(&self) -> Option<&[Self]> {
        match self {
            Self::Tuple(tuple) => Some(&tuple.items),
            _ => None,
        }
    }

    /// Whether there is nothing in it but data, allowed names and what those made.
    pub(super) fn is_inert(&self) -> bool {
        match self {
            Self::Tuple(tuple) => tuple.is_inert(),
            Self::Container(container) => container.inert.get(),
            Self::Global(global) => global.is_allowed(),
            Self::Made(made) => made.by.as_ref().is_some_and(|by| by.is_allowed()),
            Self::Mixed | Self::Storage(_) | Self::Extension => false,
            _ => true,
        }
    }

    /// How many values a loader would walk through in it.
    pub(super) fn logical_size(&self) -> u64 {
        match self {
            Self::Tuple(tuple) => tuple.logical_size,
            Self::Container(container) => container.logical_size.get(),
            _ => 1,
        }
    }

    fn depth(&self) -> u16 {
        match self {
            Self::Tuple(tuple) => tuple.depth,
            _ => 0,
        }
    }

    /// Whether it refers to nothing else.
    fn is_atom(&self) -> bool {
        use Value::{Bool, Bytes, Data, Int, Number, Text, TorchMagic};
        matches!(
            self,
            Self::None | Bool(_) | Int(_) | Number | TorchMagic | Text(_) | Bytes(_) | Data
        )
    }
}

/// Counts the bytes of all values that are alive.
#[derive(Debug, Default)]
pub(super) struct Ledger(Cell<usize>);

impl Ledger {
    pub(super) fn live_bytes(&self) -> usize {
        self.0.get()
    }
}

/// A share of a ledger, given back when the value that holds it goes.
#[derive(Debug)]
pub(super) struct Share {
    ledger: Rc<Ledger>,
    size_bytes: Cell<usize>,
}

impl Share {
    fn new(ledger: &Rc<Ledger>, size_bytes: usize) -> Self {
        let share = Self {
            ledger: Rc::clone(ledger),
            size_bytes: Cell::new(0),
        };
        share.grow(size_bytes);
        share
    }

    fn grow(&self, size_bytes: usize) {
        self.size_bytes.set(self.size_bytes.get() + size_bytes);
        self.ledger.0.set(self.ledger.0.get() + size_bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.ledger
            .0
            .set(self.ledger.0.get() - self.size_bytes.get());
    }
}

/// A string constant.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) value: Box<str>,
    _share: Share,
}

/// A bytes constant.
#[derive(Debug)]
pub(super) struct Bytes {
    pub(super) value: Box<[u8]>,
    _share: Share,
}

/// A tuple with all its items.
#[derive(Debug)]
pub(super) struct Tuple {
    pub(super) items: Box<[Value]>,
    logical_size: u64,
    depth: u16,
    inert: bool,
    _share: Share,
}

impl Tuple {
    /// Whether every item is data without parts.
    fn is_data(&self) -> bool {
        self.items.iter().all(Value::is_atom)
    }

    /// What was inert when the tuple was made may have changed since, one level down; deeper is not looked at again,
    /// because shared tuples would be walked exponentially often.
    fn is_inert(&self) -> bool {
        let unchanged = |item: &Value| match item {
            Value::Container(container) => container.inert.get(),
            _ => true,
        };
        self.inert && self.items.iter().all(unchanged)
    }
}

/// What kind of container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Dict,
    Set,
}

/// A list, set or dict: how large, whether inert, and its first items that refer to nothing.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) kind: Kind,
    pub(super) items: RefCell<Vec<Value>>,
    inert: Cell<bool>,
    logical_size: Cell<u64>,
    share: Share,
}

impl Container {
    /// Puts an item in; a container inside itself counts as endless.
    pub(super) fn insert(self: &Rc<Self>, item: &Value) {
        let endless = matches!(item, Value::Container(other) if Rc::ptr_eq(self, other));
        let added = match endless {
            true => u64::MAX,
            false => item.logical_size(),
        };
        self.logical_size
            .set(self.logical_size.get().saturating_add(added));
        if !endless && !item.is_inert() {
            self.inert.set(false);
        }
        let mut items = self.items.borrow_mut();
        let kept = match self.share.ledger.live_bytes() < LIVE_BYTES_CROWDED {
            true => ITEMS_KEPT,
            false => ITEMS_SHOWN,
        };
        if item.is_atom() && items.len() < kept {
            self.share.grow(size_of::<Value>());
            items.push(item.clone());
        }
    }
}

/// An imported object.
#[derive(Debug)]
pub(super) struct Global {
    /// `module.name`, after the renames a loader makes.
    pub(super) path: String,
    pub(super) standing: Standing,
    pub(super) _share: Share,
}

impl Global {
    pub(super) fn is_allowed(&self) -> bool {
        matches!(self.standing, Standing::Allowed(_))
    }
}

/// What a call or an instantiation gave.
#[derive(Debug)]
pub(super) struct Made {
    /// By what; none if that was not an imported object.
    pub(super) by: Option<Rc<Global>>,
    _share: Share,
}

/// Makes values and writes them in the ledger.
#[derive(Debug, Default)]
pub(super) struct Maker {
    pub(super) ledger: Rc<Ledger>,
}

impl Maker {
    pub(super) fn share(&self, size_bytes: usize) -> Share {
        Share::new(&self.ledger, size_bytes + NODE_BYTES)
    }

    pub(super) fn text(&self, value: String) -> Value {
        Value::Text(Rc::new(Text {
            _share: self.share(value.len()),
            value: value.into(),
        }))
    }

    pub(super) fn bytes(&self, value: Vec<u8>) -> Value {
        Value::Bytes(Rc::new(Bytes {
            _share: self.share(value.len()),
            value: value.into(),
        }))
    }

    pub(super) fn tuple(&self, items: Vec<Value>) -> Value {
        let depth = items.iter().map(Value::depth).max().unwrap_or(0) + 1;
        if depth > DEPTH_MAX || (items.len() > ITEMS_KEPT) {
            return match items.iter().all(Value::is_inert) {
                true => Value::Data,
                false => Value::Mixed,
            };
        }
        let sizes = items.iter().map(Value::logical_size);
        Value::Tuple(Rc::new(Tuple {
            logical_size: sizes.fold(1, u64::saturating_add),
            depth,
            inert: items.iter().all(Value::is_inert),
            _share: self.share(items.len() * size_of::<Value>()),
            items: items.into(),
        }))
    }

    pub(super) fn container(&self, kind: Kind, items: &[Value]) -> Value {
        let container = Rc::new(Container {
            kind,
            items: RefCell::default(),
            inert: Cell::new(true),
            logical_size: Cell::new(1),
            share: self.share(0),
        });
        for item in items {
            container.insert(item);
        }
        Value::Container(container)
    }

    /// What the memo keeps of a value: less, when much is alive already.
    pub(super) fn kept(&self, value: &Value) -> Value {
        let live = self.ledger.live_bytes();
        match value {
            Value::Text(text) if text.value.len() <= NAME_BYTES_MAX => match live {
                ..LIVE_BYTES_NAMES => value.clone(),
                _ => Value::Data,
            },
            Value::Text(_) | Value::Bytes(_) if live >= LIVE_BYTES_CROWDED => Value::Data,
            Value::Tuple(tuple) if live >= LIVE_BYTES_CROWDED && tuple.is_data() => Value::Data,
            _ => value.clone(),
        }
    }

    pub(super) fn made(&self, by: Option<Rc<Global>>) -> Value {
        Value::Made(Rc::new(Made {
            by,
            _share: self.share(0),
        }))
    }
}

/// What a node costs besides its content.
const NODE_BYTES: usize = 64;
