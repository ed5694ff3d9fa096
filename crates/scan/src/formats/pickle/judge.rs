//! What each effect of a pickle means: imports, calls, states, persistent ids.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::allowed::{Allowed, Shape, storage_element_bytes};
use super::names::{self, Standing};
use super::render::{call, render};
use super::value::{Global, Maker, Value};
use crate::report::Findings;
use crate::rules::Id;

/// The most storages that are remembered to be compared with what is in the file.
const STORAGES_MAX: usize = 1 << 16;

/// Judges effects as they happen, so that nothing which breaks later undoes them.
pub(super) struct Judge<'j> {
    pub(super) findings: &'j mut Findings,
    /// Whether persistent ids are torch's storages.
    pub(super) torch: bool,
    /// How many effects there were that need nothing from the loader.
    pub(super) effects: u64,
    /// The storages that persistent ids named.
    pub(super) storages: Storages,
}

/// Storages by key.
pub(crate) type Storages = BTreeMap<String, StorageSize>;

/// How large a persistent id says a storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StorageSize {
    pub(crate) size_bytes: u64,
    pub(crate) elements: u64,
}

impl<'j> Judge<'j> {
    pub(super) fn new(findings: &'j mut Findings, torch: bool) -> Self {
        Self {
            findings,
            torch,
            effects: 0,
            storages: BTreeMap::new(),
        }
    }

    pub(super) fn import(
        &mut self,
        at: u64,
        (module, name): (&str, &str),
        protocol: u8,
        maker: &Maker,
    ) -> Value {
        // A module with spaces in its name is the first line of a text: importing it fails.
        self.effects += u64::from(!module.contains(char::is_whitespace));
        let imported = names::renamed(module, name, protocol);
        let standing = names::standing((module, name), imported);
        let path = format!("{}.{}", imported.0, imported.1);
        let shown = path.escape_default();
        match standing {
            Standing::Hostile(class) => {
                let what = format!("imports `{shown}`, which {}", class.as_str());
                self.findings.add(Id::HostileImport, at, what);
            }
            Standing::Hidden => {
                let what = format!("imports `{shown}` through another name");
                self.findings.add(Id::HostileAttribute, at, what);
            }
            Standing::Unlisted => {
                let what = format!("imports `{shown}`");
                self.findings.add(Id::UnlistedImport, at, what);
            }
            Standing::Allowed(_) => {}
        }
        Value::Global(Rc::new(Global {
            _share: maker.share(path.len()),
            path,
            standing,
        }))
    }

    /// A name made at run time was imported.
    pub(super) fn computed_import(&mut self, at: u64) -> Value {
        self.effects += 1;
        let what = "imports a name that is computed while loading";
        self.findings.add(Id::ComputedCallee, at, what);
        Value::Mixed
    }

    /// Something was called or instantiated; none if no loader can call such a thing.
    pub(super) fn call(
        &mut self,
        at: u64,
        callee: &Value,
        arguments: &Value,
        maker: &Maker,
    ) -> Option<Value> {
        self.effects += 1;
        let global = match callee {
            Value::Global(global) => global,
            Value::Made(_) | Value::Mixed | Value::Storage(_) | Value::Extension => {
                let what = format!("calls {}", call(callee, arguments));
                let id = match callee {
                    Value::Extension => Id::Extension,
                    _ => Id::ComputedCallee,
                };
                self.findings.add(id, at, what);
                return Some(Value::Mixed);
            }
            _ => return None,
        };
        let id = match global.standing {
            Standing::Hostile(_) | Standing::Hidden => Some(Id::HostileCall),
            Standing::Unlisted => Some(Id::UnlistedImport),
            Standing::Allowed(row) if fits(row, arguments) => None,
            Standing::Allowed(_) => Some(Id::UnusualUse),
        };
        if let Some(id) = id {
            let what = format!("calls {}", call(callee, arguments));
            self.findings.add(id, at, what);
        }
        Some(match global.standing {
            // Python 2 writes bytes as text to be encoded: what comes back is data.
            Standing::Allowed(row) if row.call == Some(Shape::Latin1) && id.is_none() => {
                Value::Data
            }
            _ => maker.made(Some(Rc::clone(global))),
        })
    }

    /// The state of an object was set.
    pub(super) fn build(&mut self, at: u64, object: &Value, state: &Value) {
        self.effects += 1;
        match object {
            Value::Made(made) => match made.by.as_ref().map(|by| by.standing) {
                Some(Standing::Allowed(row)) if !row.build => {
                    let what = format!("sets the state of {}", render(object));
                    self.findings.add(Id::UnusualUse, at, what);
                }
                // What an unlisted or hostile callee made was found when it was called.
                _ => {}
            },
            Value::Global(global) => {
                let what = format!("sets attributes of `{}`", global.path.escape_default());
                let id = match state.is_inert() {
                    true => Id::BuiltImport,
                    false => Id::MutatedImport,
                };
                self.findings.add(id, at, what);
            }
            Value::Mixed | Value::Extension | Value::Storage(_) => {
                let what = "sets attributes of an object that is not known";
                self.findings.add(Id::BuiltImport, at, what);
            }
            _ => {
                let what = "sets the state of plain data";
                self.findings.add(Id::UnusualUse, at, what);
            }
        }
    }

    /// Items were put into something that is no list, set or dict of this pickle's own.
    pub(super) fn fill(&mut self, at: u64, object: &Value) {
        let allowed = |row: &Allowed| row.items;
        match object {
            Value::Made(made) => match made.by.as_ref().map(|by| by.standing) {
                Some(Standing::Allowed(row)) if allowed(row) => return,
                Some(Standing::Allowed(_)) | None => {
                    let what = format!("puts items into {}", render(object));
                    self.findings.add(Id::UnusualUse, at, what);
                }
                _ => {}
            },
            Value::Global(global) => {
                let what = format!("puts items into `{}`", global.path.escape_default());
                self.findings.add(Id::MutatedImport, at, what);
            }
            _ => {
                let what = "puts items into an object that takes none";
                self.findings.add(Id::UnusualUse, at, what);
            }
        }
        self.effects += 1;
    }

    pub(super) fn extension(&mut self, at: u64, code: u64) -> Value {
        self.effects += 1;
        let what = format!("takes extension {code} from the registry");
        self.findings.add(Id::Extension, at, what);
        Value::Extension
    }

    pub(super) fn persistent(&mut self, at: u64, id: &Value) -> Value {
        if self.torch
            && let Some((key, elements, element_bytes)) = storage(id)
        {
            if self.storages.len() < STORAGES_MAX {
                let size = StorageSize {
                    size_bytes: elements.saturating_mul(element_bytes),
                    elements,
                };
                let known = self.storages.entry(key.to_owned()).or_insert(size);
                *known = (*known).max(size);
            } else {
                self.findings.not_read("more than 65536 storages");
            }
            return Value::Storage(elements);
        }
        let what = format!("asks its loader for {}", render(id));
        self.findings.add(Id::Persistent, at, what);
        Value::Mixed
    }

    pub(super) fn expansion(&mut self, at: u64) {
        let what = "unfolds to more than a hundred million values";
        self.findings.add(Id::Expansion, at, what);
    }
}

/// Key, number of elements and bytes of an element of torch's own persistent id.
fn storage(id: &Value) -> Option<(&str, u64, u64)> {
    let items = id.as_tuple()?;
    let (known, view) = items.split_at_checked(5)?;
    let [
        kind,
        Value::Global(class),
        key,
        location,
        Value::Int(elements),
    ] = known
    else {
        return None;
    };
    let plain = kind.as_text() == Some("storage")
        && location.as_text().is_some()
        && class.is_allowed()
        && view.len() <= 1
        && view.iter().all(Value::is_inert);
    let element_bytes = storage_element_bytes(&class.path)?;
    let elements = u64::try_from(*elements).ok()?;
    plain.then_some((key.as_text()?, elements, element_bytes))
}

/// Whether a call is one that genuine files make.
fn fits(row: &Allowed, arguments: &Value) -> bool {
    let Some(shape) = row.call else {
        return false;
    };
    let items = arguments.as_tuple();
    match (shape, items) {
        (Shape::Any, Some(_)) => true,
        (Shape::Inert, Some(items)) => items.iter().all(Value::is_inert),
        (
            Shape::Tensor,
            Some(
                [
                    Value::Storage(elements),
                    Value::Int(offset),
                    size,
                    stride,
                    ..,
                ],
            ),
        ) => is_inside(*elements, *offset, size, stride),
        (Shape::Dtype, Some([Value::Text(_), flags @ ..])) => flags
            .iter()
            .all(|flag| matches!(flag, Value::Bool(_) | Value::Int(_))),
        (Shape::Reconstruct, Some([Value::Global(class), Value::Tuple(_), kind])) => {
            class.path == "numpy.ndarray" && kind.is_inert()
        }
        (Shape::Latin1, Some([Value::Text(_) | Value::Data, encoding])) => {
            matches!(encoding.as_text(), Some("latin1" | "latin-1"))
        }
        (Shape::RebuildFromType, Some([Value::Global(function), class, Value::Tuple(_), _])) => {
            function.is_allowed()
                && function.path.starts_with("torch._utils._rebuild_")
                && class.is_inert()
        }
        _ => false,
    }
}

/// Whether a view of a storage stays inside it.
fn is_inside(elements: u64, offset: i64, size: &Value, stride: &Value) -> bool {
    let (Some(sizes), Some(strides)) = (size.as_tuple(), stride.as_tuple()) else {
        return false;
    };
    let mut last = u64::try_from(offset).ok();
    let mut empty = false;
    for pair in sizes.iter().zip(strides) {
        let (Value::Int(size), Value::Int(stride)) = pair else {
            return false;
        };
        let (Ok(size), Ok(stride)) = (u64::try_from(*size), u64::try_from(*stride)) else {
            return false;
        };
        empty |= size == 0;
        let reach = size.saturating_sub(1).checked_mul(stride);
        last = last
            .zip(reach)
            .and_then(|(last, reach)| last.checked_add(reach));
    }
    sizes.len() == strides.len() && (empty || last.is_some_and(|last| last < elements))
}
