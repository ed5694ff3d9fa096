//! The 68 opcodes of protocols 0 to 5, and what follows each in the stream.

/// What follows an opcode in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    /// Nothing.
    Nothing,
    /// That many bytes, little-endian.
    Fixed(u8),
    /// Text up to a line feed.
    Line,
    /// Two such lines.
    TwoLines,
    /// A length of that many bytes, then so many bytes of data.
    Sized(u8),
}

macro_rules! opcodes {
    ($($name:ident $byte:literal $operand:expr;)*) => {
        /// An opcode.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Op { $($name,)* }

        impl Op {
            /// The opcode a byte stands for.
            pub(super) const fn of(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$name),)* _ => None }
            }

            /// What follows it.
            pub(super) const fn operand(self) -> Operand {
                use Operand::{Fixed, Line, Nothing, Sized, TwoLines};
                match self { $(Self::$name => $operand,)* }
            }
        }

        #[cfg(test)]
        pub(super) const BYTES: &[u8] = &[$($byte),*];
    };
}

opcodes! {
    Proto 0x80 Fixed(1);
    Frame 0x95 Fixed(8);
    Stop b'.' Nothing;
    Mark b'(' Nothing;
    Pop b'0' Nothing;
    PopMark b'1' Nothing;
    Dup b'2' Nothing;
    None b'N' Nothing;
    NewTrue 0x88 Nothing;
    NewFalse 0x89 Nothing;
    Int b'I' Line;
    Long b'L' Line;
    BinInt b'J' Fixed(4);
    BinInt1 b'K' Fixed(1);
    BinInt2 b'M' Fixed(2);
    Long1 0x8a Sized(1);
    Long4 0x8b Sized(4);
    Float b'F' Line;
    BinFloat b'G' Fixed(8);
    String b'S' Line;
    BinString b'T' Sized(4);
    ShortBinString b'U' Sized(1);
    Unicode b'V' Line;
    BinUnicode b'X' Sized(4);
    ShortBinUnicode 0x8c Sized(1);
    BinUnicode8 0x8d Sized(8);
    BinBytes b'B' Sized(4);
    ShortBinBytes b'C' Sized(1);
    BinBytes8 0x8e Sized(8);
    ByteArray8 0x96 Sized(8);
    NextBuffer 0x97 Nothing;
    ReadonlyBuffer 0x98 Nothing;
    EmptyList b']' Nothing;
    List b'l' Nothing;
    EmptyTuple b')' Nothing;
    Tuple b't' Nothing;
    Tuple1 0x85 Nothing;
    Tuple2 0x86 Nothing;
    Tuple3 0x87 Nothing;
    EmptyDict b'}' Nothing;
    Dict b'd' Nothing;
    EmptySet 0x8f Nothing;
    FrozenSet 0x91 Nothing;
    Append b'a' Nothing;
    Appends b'e' Nothing;
    SetItem b's' Nothing;
    SetItems b'u' Nothing;
    AddItems 0x90 Nothing;
    Get b'g' Line;
    BinGet b'h' Fixed(1);
    LongBinGet b'j' Fixed(4);
    Put b'p' Line;
    BinPut b'q' Fixed(1);
    LongBinPut b'r' Fixed(4);
    Memoize 0x94 Nothing;
    Global b'c' TwoLines;
    StackGlobal 0x93 Nothing;
    Inst b'i' TwoLines;
    Obj b'o' Nothing;
    NewObj 0x81 Nothing;
    NewObjEx 0x92 Nothing;
    Reduce b'R' Nothing;
    Build b'b' Nothing;
    Ext1 0x82 Fixed(1);
    Ext2 0x83 Fixed(2);
    Ext4 0x84 Fixed(4);
    PersId b'P' Line;
    BinPersId b'Q' Nothing;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_68_and_each_byte_stands_once() {
        let known = (0..=u8::MAX).filter(|byte| Op::of(*byte).is_some());
        assert_eq!((known.count(), BYTES.len()), (68, 68));
    }
}
