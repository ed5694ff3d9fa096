//! Writes pickles opcode by opcode, and zip containers record by record.

/// A pickle being written.
#[derive(Clone, Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn protocol(version: u8) -> Self {
        Self(vec![0x80, version])
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n"))
    }

    pub(crate) fn inst(self, module: &str, name: &str) -> Self {
        self.raw(format!("i{module}\n{name}\n"))
    }

    /// `STACK_GLOBAL` fed by two short strings.
    pub(crate) fn stack_global(self, module: &str, name: &str) -> Self {
        self.text(module).text(name).raw([0x93])
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        self.raw("X").raw(length).raw(text)
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        self.raw("B").raw(length).raw(bytes)
    }

    pub(crate) fn int(self, number: u8) -> Self {
        self.raw([b'K', number])
    }

    pub(crate) fn put(self, key: u8) -> Self {
        self.raw([b'q', key])
    }

    pub(crate) fn get(self, key: u8) -> Self {
        self.raw([b'h', key])
    }

    /// One text as the only argument, and the call.
    pub(crate) fn call_with(self, argument: &str) -> Self {
        self.text(argument).raw(b"\x85R")
    }

    pub(crate) fn stop(self) -> Vec<u8> {
        self.raw(".").0
    }
}

/// A member of a zip container, with what may be wrong with it.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The name in its own header, if that is another one.
    pub(crate) local_name: Option<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) flags: u16,
    /// What is added to the true checksum.
    pub(crate) crc_error: u32,
    pub(crate) unix_mode: u32,
}

impl Member {
    pub(crate) fn new(name: &str, data: &[u8]) -> Self {
        Self {
            name: name.into(),
            local_name: None,
            data: data.to_vec(),
            flags: 0,
            crc_error: 0,
            unix_mode: 0,
        }
    }

    /// What both headers say: flags, method, time, date, checksum, sizes.
    fn shared(&self) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        crc.update(&self.data);
        let size = u32::try_from(self.data.len()).unwrap().to_le_bytes();
        let crc = crc.sum().wrapping_add(self.crc_error).to_le_bytes();
        let kind = [self.flags, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        [&kind[..], &crc, &size, &size].concat()
    }
}

/// A container; `gap` bytes are put before the directory.
pub(crate) fn zip_with_gap(members: &[Member], gap: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let at = u32::try_from(out.len()).unwrap();
        let local = member.local_name.as_ref().unwrap_or(&member.name);
        let length = |name: &str| u16::try_from(name.len()).unwrap().to_le_bytes();
        out.extend(
            [
                &b"PK\x03\x04\x14\0"[..],
                &member.shared(),
                &length(local),
                &[0; 2],
            ]
            .concat(),
        );
        out.extend([local.as_bytes(), &member.data].concat());
        directory.extend([&b"PK\x01\x02\x14\x03\x14\0"[..], &member.shared()].concat());
        directory.extend([&length(&member.name)[..], &[0; 8]].concat());
        directory.extend((member.unix_mode << 16).to_le_bytes());
        directory.extend([&at.to_le_bytes()[..], member.name.as_bytes()].concat());
    }
    out.extend(gap);
    let at = u32::try_from(out.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    out.extend(directory);
    out.extend(
        [
            &b"PK\x05\x06\0\0\0\0"[..],
            &count,
            &count,
            &size,
            &at,
            &[0; 2],
        ]
        .concat(),
    );
    out
}

pub(crate) fn zip(members: &[Member]) -> Vec<u8> {
    zip_with_gap(members, &[])
}

/// A safetensors file with one tensor `w`.
pub(crate) fn safetensors(dtype: &str, elements: usize, data: &[u8]) -> Vec<u8> {
    let size = data.len();
    let header =
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":[{elements}],"data_offsets":[0,{size}]}}}}"#);
    let length = u64::try_from(header.len()).unwrap().to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}
