//! The machine's stack: values, and marks below which no opcode may reach.

use super::cursor::Broken;
use super::value::Value;

/// The most values and marks.
const ENTRIES_MAX: usize = 1 << 17;

#[derive(Default)]
pub(super) struct Stack {
    values: Vec<Value>,
    /// How many values there were at each mark.
    marks: Vec<usize>,
}

impl Stack {
    pub(super) fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    pub(super) fn mark(&mut self) {
        self.marks.push(self.values.len());
    }

    /// Fails once there is more than this version keeps.
    pub(super) fn check_size(&self) -> Result<(), Broken> {
        match self.values.len() + self.marks.len() > ENTRIES_MAX {
            true => Err(Broken::Limit("131072 values on the stack")),
            false => Ok(()),
        }
    }

    /// Where the values above the last mark begin.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn top(&self) -> Result<&Value, Broken> {
        match self.values.len() > self.floor() {
            true => self.values.last().ok_or(Broken::Underflow),
            false => Err(Broken::Underflow),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Value, Broken> {
        match self.values.len() > self.floor() {
            true => self.values.pop().ok_or(Broken::Underflow),
            false => Err(Broken::Underflow),
        }
    }

    /// `POP` takes a value, or the mark if there is none above it.
    pub(super) fn discard(&mut self) -> Result<(), Broken> {
        if self.values.len() > self.floor() {
            self.values.pop();
            return Ok(());
        }
        self.marks.pop().map(drop).ok_or(Broken::Underflow)
    }

    pub(super) fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, Broken> {
        let from = self.values.len().checked_sub(count);
        match from.filter(|from| *from >= self.floor()) {
            Some(from) => Ok(self.values.split_off(from)),
            None => Err(Broken::Underflow),
        }
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<Value>, Broken> {
        let from = self.marks.pop().ok_or(Broken::NoMark)?;
        Ok(self.values.split_off(from))
    }
}
