//! The abstract machine: every opcode, on values that stand for what a loader would have.

use super::cursor::{Broken, Cursor};
use super::judge::Judge;
use super::literal;
use super::memo::Memo;
use super::opcode::{Op, Operand};
use super::stack::Stack;
use super::value::{Kind, LIVE_BYTES_MAX, Maker, Value};
use crate::rules::Id;

/// A result that unfolds to more is a bomb.
const LOGICAL_SIZE_MAX: u64 = 100_000_000;
/// The integer that torch's older files start with, as `LONG1` holds it.
const TORCH_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// One stream's worth of machine.
pub(super) struct Machine<'m, 'i, 'f, 'j> {
    pub(super) cursor: Cursor<'i, 'f>,
    pub(super) judge: &'m mut Judge<'j>,
    /// Where constants that may hold another pickle go.
    pub(super) constants: &'m mut dyn FnMut(&mut Judge<'j>, u64, &[u8]),
    maker: Maker,
    stack: Stack,
    memo: Memo,
    protocol: u8,
    /// Where the opcode that is being run begins.
    at: u64,
}

impl<'m, 'i, 'f, 'j> Machine<'m, 'i, 'f, 'j> {
    pub(super) fn new(
        cursor: Cursor<'i, 'f>,
        judge: &'m mut Judge<'j>,
        constants: &'m mut dyn FnMut(&mut Judge<'j>, u64, &[u8]),
    ) -> Self {
        Self {
            cursor,
            judge,
            constants,
            maker: Maker::default(),
            stack: Stack::default(),
            memo: Memo::default(),
            protocol: 0,
            at: 0,
        }
    }

    /// Runs to `STOP` and gives what a loader would; `opcodes` is what may be spent on it.
    pub(super) fn run(&mut self, opcodes: &mut u64) -> Result<Value, Broken> {
        loop {
            self.at = self.cursor.position();
            let byte = self.cursor.byte()?;
            let op = Op::of(byte).ok_or(Broken::UnknownOpcode(byte))?;
            *opcodes = opcodes
                .checked_sub(1)
                .ok_or(Broken::Limit("the opcodes allowed"))?;
            if op == Op::Stop {
                return self.stack.pop();
            }
            self.step(op)?;
            self.stack.check_size()?;
            if self.maker.ledger.live_bytes() > LIVE_BYTES_MAX {
                return Err(Broken::Limit("8 MiB of values at once"));
            }
        }
    }

    fn step(&mut self, op: Op) -> Result<(), Broken> {
        match op.operand() {
            Operand::Nothing => self.plain(op),
            Operand::Fixed(size_bytes) => {
                let number = self.cursor.number(size_bytes)?;
                self.fixed(op, number)
            }
            Operand::Line => {
                let line = self.cursor.line()?;
                self.line(op, &line)
            }
            Operand::TwoLines => {
                let text = |line| String::from_utf8(line).map_err(|_| Broken::Operand);
                let module = text(self.cursor.line()?)?;
                let name = text(self.cursor.line()?)?;
                self.named(op, &module, &name)
            }
            Operand::Sized(size_bytes) => {
                let size = self.cursor.number(size_bytes)?;
                if size_bytes == 4
                    && matches!(op, Op::Long4 | Op::BinString)
                    && size > i32::MAX as u64
                {
                    return Err(Broken::Operand);
                }
                let data = self.cursor.data(size)?;
                self.data(op, data)
            }
        }
    }

    /// Opcodes with nothing after them.
    fn plain(&mut self, op: Op) -> Result<(), Broken> {
        match op {
            Op::Mark => self.stack.mark(),
            Op::Pop => self.stack.discard()?,
            Op::PopMark => drop(self.stack.pop_mark()?),
            Op::Dup => {
                let top = self.stack.top()?.clone();
                self.stack.push(top);
            }
            Op::None => self.stack.push(Value::None),
            Op::NewTrue => self.stack.push(Value::Bool(true)),
            Op::NewFalse => self.stack.push(Value::Bool(false)),
            Op::NextBuffer => {
                self.judge
                    .findings
                    .not_read("the pickle needs buffers that are not in the file");
                self.stack.push(Value::Data);
            }
            Op::ReadonlyBuffer => drop(self.stack.top()?),
            Op::EmptyList => self.push_container(Kind::List, &[]),
            Op::EmptyDict => self.push_container(Kind::Dict, &[]),
            Op::EmptySet => self.push_container(Kind::Set, &[]),
            Op::List => self.collect(Kind::List)?,
            Op::Dict => self.collect(Kind::Dict)?,
            Op::FrozenSet => self.collect(Kind::Set)?,
            Op::EmptyTuple => self.push_tuple(Vec::new()),
            Op::Tuple => {
                let items = self.stack.pop_mark()?;
                self.push_tuple(items);
            }
            Op::Tuple1 => self.tuple_of(1)?,
            Op::Tuple2 => self.tuple_of(2)?,
            Op::Tuple3 => self.tuple_of(3)?,
            Op::Append => self.fill_with(1, Kind::List)?,
            Op::SetItem => self.fill_with(2, Kind::Dict)?,
            Op::Appends => self.fill_from_mark(Kind::List)?,
            Op::SetItems => self.fill_from_mark(Kind::Dict)?,
            Op::AddItems => self.fill_from_mark(Kind::Set)?,
            Op::Memoize => self.memoize(self.memo.len() as u64)?,
            _ => self.effect(op)?,
        }
        Ok(())
    }

    /// Opcodes that import, call or change.
    fn effect(&mut self, op: Op) -> Result<(), Broken> {
        match op {
            Op::StackGlobal => self.stack_global(),
            Op::Reduce => {
                let arguments = self.stack.pop()?;
                let callee = self.stack.pop()?;
                self.call(&callee, &arguments)
            }
            Op::NewObj => {
                let arguments = self.stack.pop()?;
                let class = self.stack.pop()?;
                self.call(&class, &arguments)
            }
            Op::NewObjEx => {
                let keywords = self.stack.pop()?;
                let arguments = self.stack.pop()?;
                let class = self.stack.pop()?;
                let arguments = match keywords.logical_size() {
                    1 => arguments,
                    _ => self.maker.tuple(vec![arguments, keywords]),
                };
                self.call(&class, &arguments)
            }
            Op::Obj => {
                let mut items = self.stack.pop_mark()?;
                if items.is_empty() {
                    return Err(Broken::Underflow);
                }
                let class = items.remove(0);
                let arguments = self.maker.tuple(items);
                self.call(&class, &arguments)
            }
            Op::Build => {
                let state = self.stack.pop()?;
                let object = self.stack.top()?.clone();
                self.judge.build(self.at, &object, &state);
                Ok(())
            }
            Op::BinPersId => {
                let id = self.stack.pop()?;
                let value = self.judge.persistent(self.at, &id);
                self.stack.push(value);
                Ok(())
            }
            // Every other opcode has its own arm before this one.
            _ => Err(Broken::Operand),
        }
    }

    /// Opcodes with a number after them.
    fn fixed(&mut self, op: Op, number: u64) -> Result<(), Broken> {
        match op {
            Op::Proto => {
                let protocol = u8::try_from(number).unwrap_or(u8::MAX);
                if protocol > 5 {
                    return Err(Broken::Protocol(protocol));
                }
                self.protocol = protocol;
            }
            Op::Frame => {
                if number > self.cursor.left() {
                    let what = format!("a frame of {number} bytes runs past the end");
                    self.judge.findings.add(Id::FrameLength, self.at, what);
                }
            }
            // Four bytes are signed: through 32 bits, and then widened with the sign.
            Op::BinInt => {
                let number = u32::try_from(number).unwrap_or_default().cast_signed();
                self.stack.push(Value::Int(number.into()));
            }
            Op::BinInt1 | Op::BinInt2 => {
                self.stack.push(Value::Int(number.cast_signed()));
            }
            Op::BinFloat => self.stack.push(Value::Number),
            Op::BinGet | Op::LongBinGet => {
                let value = self.memo.get(number)?;
                self.stack.push(value);
            }
            Op::BinPut | Op::LongBinPut => self.memoize(number)?,
            _ => {
                let value = self.judge.extension(self.at, number);
                self.stack.push(value);
            }
        }
        Ok(())
    }

    /// Opcodes with a line of text after them.
    fn line(&mut self, op: Op, line: &[u8]) -> Result<(), Broken> {
        let value = match op {
            Op::Int if line == b"00" => Value::Bool(false),
            Op::Int if line == b"01" => Value::Bool(true),
            Op::Int | Op::Long => {
                let number = literal::integer(line).ok_or(Broken::Operand)?;
                number.map_or(Value::Number, Value::Int)
            }
            Op::Float if literal::is_float(line) => Value::Number,
            Op::Float => return Err(Broken::Operand),
            Op::String => self.text(literal::quoted(line).ok_or(Broken::Operand)?),
            Op::Unicode => self.text(literal::raw_unicode(line).ok_or(Broken::Operand)?),
            Op::Get => self.memo.get(memo_key(line)?)?,
            Op::Put => return self.memoize(memo_key(line)?),
            _ => {
                let id = self.text(String::from_utf8_lossy(line).into_owned());
                self.judge.persistent(self.at, &id)
            }
        };
        self.stack.push(value);
        Ok(())
    }

    /// Opcodes with data after them; data too long to keep is `None`.
    fn data(&mut self, op: Op, data: Option<Vec<u8>>) -> Result<(), Broken> {
        let value = match (op, data) {
            (Op::Long1 | Op::Long4, Some(data)) => long(&data),
            (Op::Long1 | Op::Long4, None) => Value::Number,
            (Op::ByteArray8, data) => {
                self.constant(data.as_deref());
                self.maker.container(Kind::List, &[])
            }
            (_, None) => Value::Data,
            (Op::BinBytes | Op::ShortBinBytes | Op::BinBytes8, Some(data)) => {
                self.constant(Some(&data));
                self.maker.bytes(data)
            }
            (Op::BinString | Op::ShortBinString, Some(data)) => {
                self.constant(Some(&data));
                // Python 2's strings may be bytes: Latin-1 keeps every one of them.
                let text = String::from_utf8(data)
                    .unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
                self.maker.text(text)
            }
            (_, Some(data)) => self.text(String::from_utf8_lossy(&data).into_owned()),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Opcodes with a module and a name after them.
    fn named(&mut self, op: Op, module: &str, name: &str) -> Result<(), Broken> {
        // INST finds its mark before it imports.
        let arguments = match op {
            Op::Inst => Some(self.stack.pop_mark()?),
            _ => None,
        };
        let global = self
            .judge
            .import(self.at, (module, name), self.protocol, &self.maker);
        let Some(arguments) = arguments else {
            self.stack.push(global);
            return Ok(());
        };
        let arguments = self.maker.tuple(arguments);
        self.call(&global, &arguments)
    }

    fn stack_global(&mut self) -> Result<(), Broken> {
        let name = self.stack.pop()?;
        let module = self.stack.pop()?;
        let value = match (&module, &name) {
            (Value::Text(module), Value::Text(name)) => {
                let names = (&*module.value, &*name.value);
                self.judge
                    .import(self.at, names, self.protocol, &self.maker)
            }
            (Value::Data, _) | (_, Value::Data) => {
                return Err(Broken::Limit("the text that is kept"));
            }
            _ if is_no_text(&module) || is_no_text(&name) => return Err(Broken::Operand),
            _ => self.judge.computed_import(self.at),
        };
        self.stack.push(value);
        Ok(())
    }

    fn call(&mut self, callee: &Value, arguments: &Value) -> Result<(), Broken> {
        let made = self.judge.call(self.at, callee, arguments, &self.maker);
        self.stack.push(made.ok_or(Broken::Operand)?);
        Ok(())
    }

    fn text(&mut self, text: String) -> Value {
        // Text of Latin-1 characters is how Python 2 protocols write bytes.
        if text.contains('\u{80}')
            && let Some(bytes) = text
                .chars()
                .map(|c| u8::try_from(c).ok())
                .collect::<Option<Vec<_>>>()
        {
            self.constant(Some(&bytes));
        }
        self.maker.text(text)
    }

    fn constant(&mut self, data: Option<&[u8]>) {
        if let Some(data) = data {
            (self.constants)(self.judge, self.at, data);
        }
    }

    fn memoize(&mut self, key: u64) -> Result<(), Broken> {
        let value = self.maker.kept(self.stack.top()?);
        self.memo.put(key, value)
    }

    fn collect(&mut self, kind: Kind) -> Result<(), Broken> {
        let items = self.stack.pop_mark()?;
        if kind == Kind::Dict && items.len() % 2 == 1 {
            return Err(Broken::Underflow);
        }
        self.push_container(kind, &items);
        Ok(())
    }

    fn push_container(&mut self, kind: Kind, items: &[Value]) {
        let container = self.maker.container(kind, items);
        self.push_sized(container);
    }

    fn tuple_of(&mut self, count: usize) -> Result<(), Broken> {
        let items = self.stack.pop_many(count)?;
        self.push_tuple(items);
        Ok(())
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        let tuple = self.maker.tuple(items);
        self.push_sized(tuple);
    }

    fn push_sized(&mut self, value: Value) {
        if value.logical_size() > LOGICAL_SIZE_MAX {
            self.judge.expansion(self.at);
        }
        self.stack.push(value);
    }

    fn fill_from_mark(&mut self, kind: Kind) -> Result<(), Broken> {
        let items = self.stack.pop_mark()?;
        self.fill(kind, &items)
    }

    fn fill_with(&mut self, count: usize, kind: Kind) -> Result<(), Broken> {
        let items = self.stack.pop_many(count)?;
        self.fill(kind, &items)
    }

    fn fill(&mut self, kind: Kind, items: &[Value]) -> Result<(), Broken> {
        let object = self.stack.top()?.clone();
        match &object {
            Value::Container(container) if container.kind == kind => {
                for item in items {
                    container.insert(item);
                }
                if object.logical_size() > LOGICAL_SIZE_MAX {
                    self.judge.expansion(self.at);
                }
            }
            _ => self.judge.fill(self.at, &object),
        }
        Ok(())
    }
}

/// Whether every loader refuses this as a name.
fn is_no_text(value: &Value) -> bool {
    !matches!(
        value,
        Value::Text(_)
            | Value::Mixed
            | Value::Global(_)
            | Value::Made(_)
            | Value::Storage(_)
            | Value::Extension
    )
}

fn memo_key(line: &[u8]) -> Result<u64, Broken> {
    let number = literal::integer(line).flatten().ok_or(Broken::Operand)?;
    u64::try_from(number).map_err(|_| Broken::Operand)
}

fn long(data: &[u8]) -> Value {
    if data == TORCH_MAGIC {
        return Value::TorchMagic;
    }
    if data.len() > 8 {
        return Value::Number;
    }
    let negative = data.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut bytes = [if negative { 0xff } else { 0 }; 8];
    bytes[..data.len()].copy_from_slice(data);
    Value::Int(i64::from_le_bytes(bytes))
}
